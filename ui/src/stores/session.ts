/** Who this is to the host. */
import { createSignal } from "solid-js";
import { api } from "../net/api";
import type { Me } from "../net/types";

const [me, setMe] = createSignal<Me | null>(null);

export { me };

export async function loadMe(): Promise<void> {
  setMe(await api.me().catch(() => null));
}
