// Draws each chart into its place. The text of a chart takes its colour from the page's style.
"use strict";
for (const source of document.querySelectorAll("script[data-chart]")) {
  const place = document.getElementById(source.dataset.chart);
  vegaEmbed(place, JSON.parse(source.textContent), {
    mode: "vega-lite",
    renderer: "svg",
    actions: false,
    ast: true, // the page's policy forbids code that is made at run time
    tooltip: { theme: "custom" },
  }).then(
    () => place.setAttribute("data-drawn", ""),
    (error) => { place.textContent = "This chart cannot be drawn: " + error.message; },
  );
}
