import type { Asset, Folder } from "../host/host.ts";
import { checkRange } from "../host/memory.ts";
import { AppError } from "../lib/errors.ts";

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
const END_BYTES = 22;

/**
 * A zip whose files are stored as they are, such as zipStream makes, as a folder read by range: so that what was written can
 * be read back without being held. Files are known by their path in the folder that the zip holds. Throws `file-invalid` when it is no such zip.
 * Format: PKWARE, APPNOTE.TXT, without its 64-bit extension.
 */
export async function openStoredZip(asset: Asset): Promise<Folder> {
  const refuse = (why: string) => new AppError("file-invalid", `${asset.name}: ${why}`);
  const tail = view(await asset.read(Math.max(0, asset.size - END_BYTES), asset.size));
  if (tail.byteLength < END_BYTES || tail.getUint32(0, true) !== END)
    throw refuse("its end is missing: it was cut short.");
  const count = tail.getUint16(10, true);
  const start = tail.getUint32(16, true);
  const directory = view(await asset.read(start, start + tail.getUint32(12, true)));
  const files = new Map<string, Asset>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (directory.getUint32(at, true) !== ENTRY) throw refuse(`entry ${i} of its directory is damaged.`);
    if (directory.getUint16(at + 10, true) !== 0) throw refuse("its files are compressed.");
    const size = directory.getUint32(at + 24, true);
    const nameBytes = directory.getUint16(at + 28, true);
    const path = new TextDecoder().decode(
      new Uint8Array(directory.buffer, directory.byteOffset + at + 46, nameBytes),
    );
    const name = path.slice(path.indexOf("/") + 1);
    const header = directory.getUint32(at + 42, true);
    const local = view(await asset.read(header, header + 30));
    if (local.getUint32(0, true) !== LOCAL) throw refuse(`${name} is not where the directory says.`);
    const data = header + 30 + local.getUint16(26, true) + local.getUint16(28, true);
    if (data + size > start) throw refuse(`${name} runs into the directory.`);
    files.set(name, part(asset, name, data, size));
    at += 46 + nameBytes + directory.getUint16(at + 30, true) + directory.getUint16(at + 32, true);
  }
  return {
    name: asset.name,
    list: async () => [...files.keys()].sort(),
    open: async (name) => files.get(name),
  };
}

function view(bytes: Uint8Array<ArrayBuffer>): DataView<ArrayBuffer> {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function part(asset: Asset, name: string, from: number, size: number): Asset {
  return {
    name,
    size,
    read: async (start, end) =>
      end <= size
        ? asset.read(from + start, from + end)
        : checkRange(name, size, start, end, new Uint8Array()),
  };
}
