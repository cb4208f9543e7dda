// Before the first paint, so that nothing flashes; stores/settings.ts takes it from here.
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem("moonsail.theme");
  } catch {
    // A browser that keeps nothing follows the system.
  }
  if (theme !== "light" && theme !== "dark") {
    theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }
  document.documentElement.dataset.theme = theme;
})();
