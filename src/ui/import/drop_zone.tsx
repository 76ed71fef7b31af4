import { useEffect, useState } from "react";
import { Dialog } from "../parts/dialog.tsx";
import { takeFiles } from "./take_files.ts";

/** A folder that holds one of these is taken as it is; the data of others lies in folders inside it. */
const USED = /\.(safetensors|jsonl|ndjson|json|csv|tsv|parquet|txt|ya?ml)$/i;

/** Files of a drop, those in dropped folders included. */
async function filesOf(transfer: DataTransfer): Promise<readonly File[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry());
  const plain = [...transfer.files];
  const folders = entries.filter((entry): entry is FileSystemDirectoryEntry => entry?.isDirectory === true);
  if (folders.length === 0) return plain;
  const names = new Set(folders.map(({ name }) => name));
  const lists = await Promise.all(folders.map((folder) => readFolder(folder, true)));
  // A folder is among the files too, as one without content.
  return [...plain.filter(({ name }) => !names.has(name)), ...lists.flat()];
}

/** One level, as a model folder has no deeper files; one more where there is nothing to use. */
async function readFolder(folder: FileSystemDirectoryEntry, mayGoOn: boolean): Promise<readonly File[]> {
  const reader = folder.createReader();
  const files: File[] = [];
  const inside: FileSystemDirectoryEntry[] = [];
  // The reader hands out a part at a time and an empty one at the end.
  for (;;) {
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (entries.length === 0) break;
    for (const entry of entries) {
      if (entry.isDirectory) inside.push(entry as FileSystemDirectoryEntry);
      if (!entry.isFile) continue;
      const file = await new Promise<File>((resolve, reject) =>
        (entry as FileSystemFileEntry).file(resolve, reject),
      );
      files.push(file);
    }
  }
  if (!mayGoOn || files.some(({ name }) => USED.test(name))) return files;
  const deeper = await Promise.all(inside.map((one) => readFolder(one, false)));
  return [...files, ...deeper.flat()];
}

const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") === true;

/** Takes files dropped anywhere on the page. */
export function DropZone() {
  const [over, setOver] = useState(false);
  const [why, setWhy] = useState<string | null>(null);
  useEffect(() => {
    const onOver = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(true);
    };
    const onLeave = (event: DragEvent) => {
      if (event.relatedTarget === null) setOver(false);
    };
    const onDrop = (event: DragEvent) => {
      setOver(false);
      if (!event.dataTransfer || !hasFiles(event)) return;
      event.preventDefault();
      void filesOf(event.dataTransfer).then(takeFiles).then(setWhy);
    };
    document.addEventListener("dragover", onOver);
    document.addEventListener("dragleave", onLeave);
    document.addEventListener("drop", onDrop);
    return () => {
      document.removeEventListener("dragover", onOver);
      document.removeEventListener("dragleave", onLeave);
      document.removeEventListener("drop", onDrop);
    };
  }, []);
  return (
    <>
      {over && (
        <div className="drop-veil" aria-hidden="true">
          <p>Drop to open a config, a dataset or a model folder. Nothing is uploaded.</p>
        </div>
      )}
      <Dialog title="This cannot be opened" open={why !== null} onClose={() => setWhy(null)}>
        <p>{why}</p>
      </Dialog>
    </>
  );
}
