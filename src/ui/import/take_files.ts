import { navigate } from "wouter/use-hash-location";
import { openReview } from "../../store/review.ts";
import {
  pickAdapterFolder,
  pickDataFolder,
  pickDataset,
  pickModelFolder,
} from "../../store/setup_actions.ts";
import { recognise } from "./recognise.ts";

/** Sends files to where they belong. Returns why not, when they belong nowhere. */
export async function takeFiles(files: readonly File[]): Promise<string | null> {
  const found = await recognise(files);
  switch (found.kind) {
    case "config":
      await openReview(found.file.name, await found.file.text());
      return null;
    case "dataset":
      pickDataset(found.file);
      navigate("/new");
      return null;
    case "data folder":
      pickDataFolder(found.name, found.files);
      navigate("/new");
      return null;
    case "model":
      pickModelFolder(found.name, found.files);
      navigate("/new");
      return null;
    case "adapter":
      pickAdapterFolder(found.name, found.files);
      navigate("/new");
      return null;
    case "unknown":
      return found.why;
  }
}
