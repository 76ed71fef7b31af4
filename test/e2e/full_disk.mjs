// Loaded into the command line before it starts: lets FULL_DISK_AFTER bytes be written to files, then the disk is full.
import { open } from "node:fs/promises";

let room = Number(process.env.FULL_DISK_AFTER);
const probe = await open(process.execPath);
const FileHandle = Object.getPrototypeOf(probe);
await probe.close();
const { writeFile } = FileHandle;

/** As the system does it: what fits is written, and then the call fails. */
FileHandle.writeFile = async function (data, options) {
  const bytes = Buffer.from(data);
  const fits = Math.min(room, bytes.length);
  room -= fits;
  await writeFile.call(this, bytes.subarray(0, fits), options);
  if (fits === bytes.length) return;
  throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC", errno: -28 });
};
