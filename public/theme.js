// Sets the chosen theme before the first paint, so that a dark page does not flash white.
try {
  const theme = localStorage.getItem("aligntune.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Without storage the page follows the device.
}
