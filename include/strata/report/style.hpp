// SPDX-License-Identifier: BSL-1.0
// The style sheet of a report.
#pragma once
#include <string_view>

#include <strata/core/linkage.hpp>

namespace strata::inline STRATA_ABI::detail {

inline constexpr std::string_view report_style = R"(
:root{color-scheme:light dark;--back:#fff;--fore:#1c2430;--soft:#5d6878;--line:#d9dee6;--card:#f5f7fa;--c0:#1f6fd6;--c1:#d2691e;
--good:31,111,214;--bad:214,69,31}
@media(prefers-color-scheme:dark){:root{--back:#14181f;--fore:#e4e8ee;--soft:#98a3b3;--line:#333b48;--card:#1c222c;--c0:#6aa9ff;
--c1:#f0a060;--good:74,144,255;--bad:255,110,70}}
body{margin:0 auto;padding:1rem 1.5rem 3rem;max-width:72rem;background:var(--back);color:var(--fore);
font:15px/1.5 system-ui,sans-serif}
h1{margin:.5rem 0 1rem;font-size:1.7rem}h2{margin:2.2rem 0 .8rem;padding-bottom:.2rem;font-size:1.2rem;
border-bottom:1px solid var(--line)}
p{color:var(--soft)}figure{margin:0}b,th{font-weight:600}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.87rem}
td,th{padding:.15rem .55rem;text-align:right;white-space:nowrap}tbody th,th.name{text-align:left}
thead th{color:var(--soft);border-bottom:1px solid var(--line)}
pre,.wide{overflow-x:auto}pre{padding:.8rem;background:var(--card);border-radius:6px;font-size:.8rem;line-height:1.4}
.flow{display:flex;flex-wrap:wrap;gap:1rem 1.5rem;align-items:flex-start}
.figures div{padding:.5rem 1rem;background:var(--card);border-radius:6px}
.figures data,.figures span{display:block;font-size:1.35rem;font-weight:600}
.chart{flex:1 1 21rem;max-width:34rem}.chart svg{display:block;width:100%}
.grid path{stroke:var(--line)}text{fill:var(--soft);font-size:15px}.c0{--c:var(--c0)}.c1{--c:var(--c1)}
g.c0 path,g.c1 path{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round}g.c1 path{stroke-dasharray:6 3}
circle{fill:var(--c)}.key{display:inline-block;width:1.3em;margin:0 .1em 0 .8em;border-top:2px solid var(--c);vertical-align:middle}
.key.c1{border-top-style:dashed}
.matrix td{min-width:2.1rem;padding:.15rem .3rem;text-align:center;border:1px solid var(--back);background:rgba(var(--bad),var(--s,0))}
.matrix td.hit{background:rgba(var(--good),var(--s,0))}.matrix .zero{color:var(--soft);opacity:.5}
.matrix thead th{vertical-align:bottom;border:0}.matrix thead th span{display:inline-block;writing-mode:vertical-rl;
transform:rotate(180deg)}
.map{display:block;width:100%;max-width:70rem}.map text{font-size:7.5px}.map .frame{fill:var(--card)}
.map .hit{fill:rgb(var(--good))}.map .miss{fill:rgb(var(--bad))}
.bar{min-width:4.6rem;background:linear-gradient(to right,rgba(var(--good),.3) calc(100%*var(--v)),transparent 0)}
#classes .flow{gap:1rem .8rem}#classes td,#classes th{padding:.15rem .35rem}
img{display:block;image-rendering:pixelated}.mistakes figure{width:8.2rem;font-size:.8rem;line-height:1.35}
.mistakes img{margin-bottom:.3rem;border-radius:3px}.filters{gap:6px}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.2rem;margin:0}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
details{margin-top:1rem}summary{cursor:pointer;color:var(--soft)}
)";

}  // namespace strata::inline STRATA_ABI::detail
