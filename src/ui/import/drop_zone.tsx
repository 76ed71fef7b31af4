import { useEffect, useState } from "react";
import { Dialog } from "../parts/dialog.tsx";
import { takeFiles } from "./take_files.ts";

/** Files of a drop, those in dropped folders included (one level: a model folder has no deeper files). */
async function filesOf(transfer: DataTransfer): Promise<readonly File[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry());
  const plain = [...transfer.files];
  const folders = entries.filter((entry): entry is FileSystemDirectoryEntry => entry?.isDirectory === true);
  if (folders.length === 0) return plain;
  const lists = await Promise.all(folders.map(readFolder));
  return [...plain.filter(({ size, type }) => size > 0 && type !== ""), ...lists.flat()];
}

async function readFolder(folder: FileSystemDirectoryEntry): Promise<readonly File[]> {
  const reader = folder.createReader();
  const files: File[] = [];
  // The reader hands out a part at a time and an empty one at the end.
  for (;;) {
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (entries.length === 0) return files;
    for (const entry of entries) {
      if (!entry.isFile) continue;
      const file = await new Promise<File>((resolve, reject) =>
        (entry as FileSystemFileEntry).file(resolve, reject),
      );
      files.push(file);
    }
  }
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
