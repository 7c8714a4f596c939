"""The page's style sheet: light or dark as the reader's system is, and nothing from elsewhere."""

CSS = """
:root{color-scheme:light dark;--page:#fff;--ink:#1b1d22;--dim:#5c6068;--edge:#d5d8de;--card:#f5f6f8;
--bad:#b3001e;--warn:#8a4b00;--good:#146c2e;--link:#0b57d0}
@media (prefers-color-scheme:dark){:root{--page:#111217;--ink:#d8d9dd;--dim:#9a9da6;--edge:#33363d;
--card:#181b1f;--bad:#ff8a96;--warn:#ffb870;--good:#7ddc8d;--link:#8ab4ff}}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1200px;margin:0 auto;padding:16px}
h1{font-size:1.5rem;margin:8px 0} h2{font-size:1.2rem;margin:36px 0 8px}
h3{font-size:1rem;margin:20px 0 4px} p{margin:6px 0;max-width:80ch} a{color:var(--link)}
.note{color:var(--dim);font-size:.87rem}
.wide{overflow-x:auto;margin:12px 0} table{border-collapse:collapse}
caption{text-align:left;font-weight:600;padding:4px 0}
table code{white-space:nowrap}
th,td{border-top:1px solid var(--edge);padding:5px 10px;vertical-align:top;font-weight:normal}
thead th{color:var(--dim);font-size:.87rem} .text{text-align:left}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
code,pre{font:13px/1.45 ui-monospace,monospace;overflow-wrap:anywhere;white-space:pre-wrap}
pre{background:var(--card);padding:10px;border:1px solid var(--edge);border-radius:4px}
.banner{padding:10px 16px;border-radius:4px;margin:12px 0;border:2px solid}
.banner h2{margin:0 0 4px}
.invalid{background:#b3001e;color:#fff;border-color:#b3001e}
.differs{color:var(--warn)} .missed{color:var(--bad);font-weight:700}
.met{color:var(--good);font-weight:700}
.struck td,.struck strong{text-decoration:line-through;color:var(--dim)} .struck figure{opacity:.35}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr));gap:16px}
figure{margin:0;background:var(--card);border:1px solid var(--edge);border-radius:4px;padding:8px}
figcaption{font-weight:600;font-size:.93rem} figure svg,figure img{width:100%;height:auto}
summary{cursor:pointer}
@media print{.wide{overflow:visible}}
"""
