"""Style sheet of the report: readable in light and dark, on a phone and on paper."""

STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5d6772;--page:#f6f7f9;--card:#fff;
--line:#dfe3e8;--accent:#4c8df6;--warn:#c0392b;
--teacher:#d08700;--student:#8593a3}
@media (prefers-color-scheme:dark){:root{--ink:#e8ebef;--soft:#9aa5b1;--page:#14171b;
--card:#1d2126;--line:#333a42;--accent:#6ea4ff;--warn:#ff8a7a;
--teacher:#ffb000;--student:#7d8b99}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1040px;margin:0 auto;padding:28px 20px 48px}
h1{font-size:23px;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:16px;margin:0 0 10px}
h3{font-size:14px;font-weight:600;margin:16px 0 6px}
h2 small{font-weight:400;color:var(--soft);margin-left:6px}
header p{margin:0;color:var(--soft)}
header b{color:var(--ink)}
code{font-size:13px}
.warn{color:var(--warn);font-weight:600;margin-top:6px}
.none{color:var(--soft);margin:0 0 6px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(124px,1fr));gap:12px;
margin:20px 0}
.tile,section{background:var(--card);border:1px solid var(--line);border-radius:10px}
.tile{padding:12px;display:flex;flex-direction:column}
.tile span,.tile small{color:var(--soft);font-size:13px}
.tile b{font-size:22px;line-height:1.25;white-space:nowrap;font-variant-numeric:tabular-nums}
section{padding:16px 18px;margin:0 0 16px}
.samples{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:12px}
figure{margin:0}
figure img{width:100%;height:auto;display:block;border-radius:6px}
figcaption{color:var(--soft);font-size:13px;margin-top:3px}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:13px;color:var(--soft);
margin-bottom:6px}
.legend i{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:6px}
svg{width:100%;height:auto;display:block}
svg text{font-family:inherit}
.tick{font-size:11px;fill:var(--soft)}
.grid{stroke:var(--line)}
.axis{stroke:var(--soft)}
.line{fill:none;stroke-width:1.6;stroke-linejoin:round}
.rule{stroke:var(--ink);stroke-dasharray:5 4;opacity:.6}
.rule-name{font-size:11px;fill:var(--ink)}
.late{fill:var(--teacher)}
.mark{stroke:var(--warn);stroke-width:1.6}
table{border-collapse:collapse;width:100%;font-size:14px;margin-top:8px;
font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:4px 10px 4px 0;border-bottom:1px solid var(--line);
overflow-wrap:anywhere;vertical-align:top}
th{color:var(--soft);font-weight:500}
details{border-top:1px solid var(--line);padding:7px 0}
summary{cursor:pointer}
@media print{body{background:#fff}section{break-inside:avoid}}
"""
