import { render } from "solid-js/web";
import { App } from "./App";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/dock.css";
import "./styles/log.css";

const root = document.getElementById("app");
if (root) render(() => <App />, root);
