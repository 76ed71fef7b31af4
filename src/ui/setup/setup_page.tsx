export function SetupPage() {
  return (
    <div className="page">
      <h1>Setup</h1>
    </div>
  );
}
