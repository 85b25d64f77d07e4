// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// A report as one web page that needs nothing but itself.
#include "core/base/format.h"
#include "core/base/html.h"
#include "core/report/reportfigures.h"

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--ink:#26292c;--muted:#666b70;--line:#e3e5e8;--back:#fff;--panel:#f6f7f8;--accent:#0072b2}
@media(prefers-color-scheme:dark){:root{--ink:#e4e6e8;--muted:#9aa0a6;--line:#3a3e42;--back:#1e2022;--panel:#27292c;
--accent:#56b4e9}}
*{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1080px;margin:0 auto;padding:32px 24px 64px}h1{font-size:28px;margin:0}h2{font-size:19px;margin:40px 0 8px}
p{margin:8px 0}.lead,.muted{color:var(--muted)}.cards{display:flex;flex-wrap:wrap;gap:12px;margin:20px 0}
.card{background:var(--panel);border-radius:8px;padding:12px 16px;min-width:150px}
.card b{display:block;font-size:22px;font-variant-numeric:tabular-nums}.card span{color:var(--muted);font-size:13px}
figure{margin:16px 0}svg{width:100%;height:auto;fill:var(--ink)}svg>rect[width="100%"]{fill:transparent}
svg line[stroke="#e6e6e6"]{stroke:var(--line)}svg line[stroke="#666666"]{stroke:var(--muted)}
svg text[fill="#777777"]{fill:var(--muted)}.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:4px 10px;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
th{position:sticky;top:0;background:var(--back);white-space:nowrap}
.sortable th{cursor:pointer}th[aria-sort]{color:var(--accent)}th.n,td.n{text-align:right;white-space:nowrap}
.wide table{font-size:12px}.wide th,.wide td{padding:4px 7px;white-space:nowrap}
.wide{width:min(94vw,1560px);margin-left:calc(50% - min(47vw,780px))}
.facts{width:auto}.facts td:first-child{color:var(--muted);padding-left:0}
.kind{color:var(--accent);font-weight:600}pre{background:var(--panel);padding:12px;border-radius:8px;overflow-x:auto;
font-size:12px}summary{cursor:pointer}@media print{main{max-width:none}.scroll{overflow:visible}
.wide{width:auto;margin-left:0}.wide td{white-space:normal;overflow-wrap:anywhere}}
)";

/// Sorts by the column that was clicked; numbers by the exact value that each cell carries.
constexpr const char* kScript = R"(
document.querySelectorAll("table.sortable th").forEach(function(th){th.addEventListener("click",function(){
var table=th.closest("table"),body=table.tBodies[0],column=th.cellIndex,up=th.getAttribute("aria-sort")!=="ascending";
function value(row){var cell=row.cells[column],v=cell.dataset.v;
return v===undefined?cell.textContent:v===""?-Infinity:Number(v);}
table.querySelectorAll("th").forEach(function(other){other.removeAttribute("aria-sort");});
th.setAttribute("aria-sort",up?"ascending":"descending");
Array.from(body.rows).sort(function(a,b){var x=value(a),y=value(b);return (x<y?-1:x>y?1:0)*(up?1:-1);})
.forEach(function(row){body.appendChild(row);});});});
)";

std::string text(std::string_view content)
{
    return "<td>" + htmlEscaped(content) + "</td>";
}

/// A figure whose exact value sorts; empty where it is not known.
std::string figure(double value, const std::string& shown)
{
    const std::string exact = std::isinf(value) ? (value > 0 ? "Infinity" : "-Infinity") : formatExact(value);
    return "<td class=\"n\" data-v=\"" + (std::isnan(value) ? std::string() : exact) + "\">" + htmlEscaped(shown) + "</td>";
}

std::string figure(double value, int digits = 3)
{
    return figure(value, std::isinf(value) && value > 0 ? "∞" : formatSignificant(value, digits));
}

std::string missing()
{
    return "<td class=\"n\" data-v=\"\"></td>";
}

struct Heading {
    const char* title;
    const char* meaning; ///< formula and unit, as a tooltip
    bool number = true;
};

std::string headings(std::initializer_list<Heading> columns)
{
    std::string row = "<thead><tr>";
    for (const Heading& column : columns)
        row += std::string("<th scope=\"col\"") + (column.number ? " class=\"n\"" : "") + " title=\"" +
               htmlEscaped(column.meaning) + "\">" + htmlEscaped(column.title) + "</th>";
    return row + "</tr></thead>\n";
}

std::string card(const std::string& value, const std::string& meaning)
{
    return "<div class=\"card\"><b>" + htmlEscaped(value) + "</b><span>" + htmlEscaped(meaning) + "</span></div>\n";
}

std::string withError(const Estimate& estimate, int digits = 4)
{
    return formatSignificant(estimate.value, digits) + " ± " + formatSignificant(estimate.standardError, 2);
}

std::string cards(const Report& report)
{
    std::string out = "<div class=\"cards\">\n";
    out += card(formatBytes(report.sourceBytes) + " → " + formatBytes(report.storedBytes), "tensors in the file → packed");
    out += card(formatSignificant(report.bitsPerWeight), "bits per weight");
    if (report.quantized > 0)
        out += card(formatSignificant(report.total.sqnrDb()) + " dB",
                    "SQNR over " + std::to_string(report.quantized) + " quantized tensors");
    if (report.evaluation) {
        out += card(withError(report.evaluation->originalPerplexity) + " → " + withError(report.evaluation->perplexity),
                    "perplexity before → after, ± standard error");
        out += card(withError(report.evaluation->kl, 3), "KL divergence to the original, nats per token");
    }
    return out + "</div>\n";
}

std::string findings(const Report& report)
{
    if (report.findings.empty())
        return {};
    std::string out = "<h2>Findings</h2>\n<div class=\"scroll\"><table>\n<tbody>\n";
    for (const ReportFinding& finding : report.findings)
        out += "<tr><td class=\"kind\">" + htmlEscaped(finding.kind) + "</td>" + text(finding.tensor) + text(finding.text) +
               "</tr>\n";
    return out + "</tbody></table></div>\n";
}

std::string pictures(const Report& report)
{
    std::string out;
    const auto add = [&](const std::string& svg) { out += svg.empty() ? "" : "<figure>" + svg + "</figure>\n"; };
    add(sizeFigure(report));
    add(sqnrFigure(report));
    add(errorByLayerFigure(report));
    add(bitsByLayerFigure(report));
    if (!out.empty())
        out = "<h2>Layers</h2>\n" + out;
    if (report.grids.empty())
        return out;
    out += "<h2>The weights with the lowest SQNR</h2>\n<p class=\"muted\">Values in units of their group's scale; the lines "
           "are the codes of the scheme.</p>\n";
    for (const ReportGrid& grid : report.grids)
        add(gridFigure(*grid.quantization, grid.tensor,
                       report.modelName + ", " + grid.quantization->provenance.scheme.text()));
    return out;
}

std::string evaluationTable(const Evaluation& e)
{
    std::string out = "<h2>Evaluation</h2>\n<p class=\"muted\">" + htmlEscaped(e.text) + ": " + std::to_string(e.tokens) +
                      " predicted tokens in " + std::to_string(e.sequences) + " sequences of at most " +
                      std::to_string(e.context) + "; ± is one standard error.</p>\n<table class=\"facts\"><tbody>\n";
    const auto row = [&](const char* name, const std::string& value) {
        out += "<tr>" + text(name) + "<td class=\"n\">" + htmlEscaped(value) + "</td></tr>\n";
    };
    row("Perplexity of the original", withError(e.originalPerplexity));
    row("Perplexity under the policy", withError(e.perplexity));
    row("Loss increase, nats per token", withError(e.lossIncrease, 3));
    row("KL divergence, nats per token", withError(e.kl, 3));
    row("KL divergence: median, p90, p99, largest",
        formatSignificant(e.klMedian) + ", " + formatSignificant(e.klP90) + ", " + formatSignificant(e.klP99) + ", " +
            formatSignificant(e.klMax));
    row("Same most likely token", formatSignificant(100 * e.top1Agreement.value, 4) + " %");
    return out + "</tbody></table>\n";
}

std::string attributionTable(const Attribution& attribution)
{
    std::string out = "<h2>Divergence by weight</h2>\n<p class=\"muted\">KL divergence when this weight alone is quantized, "
                      "over " + std::to_string(attribution.tokens) + " tokens.</p>\n<div class=\"scroll\"><table class="
                      "\"sortable\">\n";
    out += headings({{"Tensor", "name in the model", false}, {"Scheme", "how it is quantized", false},
                     {"KL (nats/token)", "mean of KL(original || quantized)"}, {"±", "standard error, nats per token"}});
    out += "<tbody>\n";
    for (const Attribution::Entry& entry : attribution.entries)
        out += "<tr>" + text(entry.name) + text(entry.scheme.text()) + figure(entry.kl.value) +
               figure(entry.kl.standardError, 2) + "</tr>\n";
    return out + "</tbody></table></div>\n";
}

std::string tensorTable(const Report& report)
{
    const bool outputs = std::any_of(report.tensors.begin(), report.tensors.end(),
                                     [](const ReportTensor& tensor) { return tensor.figures.output.has_value(); });
    std::string out = "<h2>Tensors</h2>\n<p class=\"muted\">Click a heading to sort.</p>\n"
                      "<div class=\"scroll wide\"><table class=\"sortable\">\n";
    const Heading name{"Tensor", "name in the model", false}, shape{"Shape", "as stored, outermost first", false},
        type{"Stored", "element type in the file", false}, scheme{"Scheme", "how the policy quantizes it", false},
        bits{"Bits/w", "stored bits / number of weights, all overhead included"},
        size{"Bytes", "packed by its scheme, all overhead included"}, sqnr{"SQNR dB", "10 log10(Σx² / Σ(x̂ − x)²)"},
        relative{"Rel. error", "‖x̂ − x‖ / ‖x‖"}, largest{"Max error", "max |x̂ − x|, in weight units"},
        cosine{"Cosine", "⟨x, x̂⟩ / (‖x‖ ‖x̂‖)"},
        output{"Output error", "√(E‖xWᵀ − xŴᵀ‖² / E‖xWᵀ‖²) over the calibration's inputs x"},
        because{"Because", "which rule or override decided", false};
    out += outputs ? headings({name, shape, type, scheme, bits, size, sqnr, relative, largest, cosine, output, because})
                   : headings({name, shape, type, scheme, bits, size, sqnr, relative, largest, cosine, because});
    out += "<tbody>\n";
    for (const ReportTensor& tensor : report.tensors) {
        const ErrorMetrics& m = tensor.figures.metrics;
        out += "<tr>" + text(tensor.info.name) + text(toString(tensor.info.shape)) +
               text(tensor.info.typeLabel()) +
               text(tensor.decision.asStored ? "as stored" : tensor.decision.scheme.text()) + figure(m.bitsPerWeight) +
               figure(double(m.bytes), std::to_string(m.bytes));
        if (tensor.decision.asStored)
            out += missing() + missing() + missing() + missing();
        else
            out += figure(m.sqnrDb()) + figure(m.relativeError()) + figure(m.maxAbsError) + figure(m.cosine(), 5);
        if (outputs)
            out += tensor.figures.output ? figure(tensor.figures.output->relative()) : missing();
        out += text(tensor.decision.fallback.empty() ? tensor.decision.because : tensor.decision.fallback) + "</tr>\n";
    }
    return out + "</tbody></table></div>\n";
}

std::string provenance(const Report& report)
{
    std::string out = "<h2>Provenance</h2>\n<table class=\"facts\"><tbody>\n";
    const auto row = [&](const char* name, const std::string& value) {
        if (!value.empty())
            out += "<tr>" + text(name) + text(value) + "</tr>\n";
    };
    row("Program", report.program);
    row("Date", report.date);
    row("Device", report.device.name + (report.device.driver.empty() ? "" : ", " + report.device.driver));
    row("Model", report.modelName + ", " + report.modelFormat + ", architecture " + report.architecture);
    row("Fingerprint", report.fingerprint);
    row("Parameters", formatCount(report.parameters));
    if (const auto& source = report.calibration) {
        row("Calibration", source->kind + (source->text.empty() ? "" : ", " + source->text) + ", " +
                               formatCount(source->tokens) + " tokens");
        row("Calibration made", source->created + " by " + source->program);
    }
    if (report.evaluation)
        row("Evaluated on", report.evaluation->device);
    row("Measured in", formatDuration(report.seconds));
    return out + "</tbody></table>\n";
}

} // namespace

std::string reportToHtml(const Report& report)
{
    const std::string title = report.modelName + (report.policyName.empty() ? "" : " under " + report.policyName);
    std::string out = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
                      "'unsafe-inline'; script-src 'unsafe-inline'\">\n<title>" +
                      htmlEscaped(title) + "</title>\n<style>" + kStyle + "</style></head>\n<body><main>\n<h1>" +
                      htmlEscaped(report.modelName) + "</h1>\n<p class=\"lead\">" +
                      htmlEscaped(formatCount(report.parameters) + " parameters in " +
                                  std::to_string(report.tensors.size()) + " tensors" +
                                  (report.policyName.empty() ? "" : ", under " + report.policyName)) +
                      "</p>\n";
    out += cards(report) + findings(report) + pictures(report);
    if (report.evaluation)
        out += evaluationTable(*report.evaluation);
    if (report.attribution)
        out += attributionTable(*report.attribution);
    out += tensorTable(report);
    out += "<h2>Policy</h2>\n<details open><summary>" +
           htmlEscaped(report.policyName.empty() ? "as a file" : report.policyName) + "</summary><pre>" +
           htmlEscaped(report.policyJson) + "</pre></details>\n";
    out += provenance(report);
    return out + "</main>\n<script>" + kScript + "</script>\n</body></html>\n";
}

} // namespace ql
