/** What to do where WebGPU is missing, by browser and system. */
export interface Advice {
  readonly browser: string;
  readonly steps: readonly string[];
}

interface Surroundings {
  readonly userAgent: string;
  readonly secure: boolean;
}

const versionOf = (userAgent: string, name: RegExp): string => name.exec(userAgent)?.[1] ?? "";

const LINUX_CHROMIUM = [
  "Open chrome://flags, search for WebGPU, and set “Unsafe WebGPU Support” and “Vulkan” to Enabled. Then restart the browser.",
  "Or start it from a terminal: google-chrome --enable-unsafe-webgpu --enable-features=Vulkan",
];

function chromium(name: string, scheme: string, userAgent: string): Advice {
  const version = versionOf(userAgent, /Chrom(?:e|ium)\/(\d+)/);
  const old = !version || Number(version) < 121;
  const update = `${name} 113 or newer is needed on Windows and macOS, 121 or newer on Android. This is ${version || "an unknown version"}. Update under ${scheme}://settings/help.`;
  const blocked = `Open ${scheme}://settings/system and turn on “Use graphics acceleration when available”.`;
  const look = `Look at ${scheme}://gpu: the line “WebGPU” should say “Hardware accelerated”. If the driver is blocked, update it.`;
  const linux = /Linux|X11/.test(userAgent) && !/Android/.test(userAgent);
  const flags = linux ? LINUX_CHROMIUM.map((step) => step.replace("chrome:", `${scheme}:`)) : [];
  return { browser: `${name} ${version}`.trim(), steps: [...(old ? [update] : []), ...flags, blocked, look] };
}

const safari = (userAgent: string): Advice => {
  const version = versionOf(userAgent, /Version\/([\d.]+)/);
  return {
    browser: `Safari ${version}`.trim(),
    steps: [
      `Safari 26 or newer has WebGPU, on macOS 26, iOS 26 and iPadOS 26. This is ${version || "an unknown version"}: update the system.`,
      "On macOS with an older Safari: Settings, Advanced, “Show features for web developers”, then Feature Flags, “WebGPU”.",
      "Or open this page in a current Chrome or Edge.",
    ],
  };
};

const firefox = (userAgent: string): Advice => {
  const version = versionOf(userAgent, /Firefox\/(\d+)/);
  return {
    browser: `Firefox ${version}`.trim(),
    steps: [
      `Firefox 141 or newer has WebGPU on Windows, 145 or newer on Macs with Apple silicon. This is ${version || "an unknown version"}.`,
      "Elsewhere: open about:config, set dom.webgpu.enabled to true, and restart Firefox. Firefox Nightly has it most often.",
      "Or open this page in a current Chrome or Edge.",
    ],
  };
};

const INSECURE: Advice = {
  browser: "This address",
  steps: [
    "Browsers offer WebGPU only on secure addresses. Open this page over https, or over localhost on the machine that serves it.",
  ],
};

const OTHER: Advice = {
  browser: "This browser",
  steps: ["Open this page in a current Chrome, Edge, Firefox or Safari."],
};

/** The exact steps for this browser. */
export function adviceFor({ userAgent, secure }: Surroundings): Advice {
  if (!secure) return INSECURE;
  if (/Firefox\//.test(userAgent)) return firefox(userAgent);
  if (/Edg\//.test(userAgent)) return chromium("Edge", "edge", userAgent);
  if (/Chrom(e|ium)\//.test(userAgent)) return chromium("Chrome", "chrome", userAgent);
  if (/Safari\//.test(userAgent)) return safari(userAgent);
  return OTHER;
}
