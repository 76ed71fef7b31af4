import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * The folder of the embedded models and datasets: public/ of the checkout that the bundle lies in, or a public/ beside a
 * bundle that was copied to another machine.
 */
export function publicDir(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const places = [
    join(here, "public"),
    join(here, "../public"),
    join(here, "../../public"),
    join(here, "../../../public"),
  ];
  return places.find((place) => existsSync(join(place, "models"))) ?? join(process.cwd(), "public");
}
