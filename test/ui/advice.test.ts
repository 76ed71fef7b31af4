import { describe, expect, it } from "vitest";
import { adviceFor } from "../../src/ui/start/advice.ts";

const LINUX_CHROME =
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
const EDGE =
  "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/110.0.0.0 Safari/537.36 Edg/110.0.0.0";
const FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const SAFARI =
  "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15";
const stepsFor = (userAgent: string, secure = true): string =>
  adviceFor({ userAgent, secure }).steps.join(" ");

describe("adviceFor", () => {
  it("names the flags of Chrome on Linux", () => {
    expect(adviceFor({ userAgent: LINUX_CHROME, secure: true }).browser).toBe("Chrome 140");
    expect(stepsFor(LINUX_CHROME)).toContain("--enable-unsafe-webgpu");
    expect(stepsFor(LINUX_CHROME)).toContain("chrome://gpu");
  });

  it("asks an old Edge to be updated, under its own addresses", () => {
    expect(stepsFor(EDGE)).toContain("This is 110");
    expect(stepsFor(EDGE)).toContain("edge://");
    expect(stepsFor(EDGE)).not.toContain("chrome://");
  });

  it("names the setting of Firefox and the version of Safari", () => {
    expect(stepsFor(FIREFOX)).toContain("dom.webgpu.enabled");
    expect(stepsFor(SAFARI)).toContain("Safari 26");
  });

  it("says first that the address is not secure", () => {
    expect(stepsFor(LINUX_CHROME, false)).toContain("https");
  });

  it("has steps for a browser that it does not know", () => {
    expect(stepsFor("Lynx/2.9")).not.toBe("");
  });
});
