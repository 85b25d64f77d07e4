// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/report/reportfigures.h"

#include "core/base/format.h"
#include "core/export/svgfigure.h"
#include "core/export/svgheatmap.h"
#include "core/quant/schemetable.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace ql {
namespace {

constexpr size_t kPictureBins = 256;
/// Okabe and Ito's palette, without black and yellow.
constexpr const char* kColours[] = {"#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999", "#8b5e3c"};

/// Quantized matrices of the blocks, by layer and role.
struct Cells {
    std::vector<TensorRole> roles;
    std::vector<ErrorMetrics> sums; ///< layers x roles; count 0: nothing quantized there

    explicit Cells(const Report& report)
    {
        const auto inside = [](const ReportTensor& tensor) { return tensor.info.layer >= 0 && !tensor.decision.asStored; };
        for (const TensorRole role : allRoles()) {
            if (std::any_of(report.tensors.begin(), report.tensors.end(), [&](const ReportTensor& tensor) {
                    return tensor.info.role == role && inside(tensor);
                }))
                roles.push_back(role);
        }
        sums.resize(size_t(report.layers) * roles.size());
        for (const ReportTensor& tensor : report.tensors) {
            if (!inside(tensor))
                continue;
            const auto column = size_t(std::find(roles.begin(), roles.end(), tensor.info.role) - roles.begin());
            ErrorMetrics plain = tensor.figures.metrics;
            plain.occupancy.clear(); // codes of different schemes have nothing in common
            sums[size_t(tensor.info.layer) * roles.size() + column].merge(plain);
        }
    }
    const ErrorMetrics& at(int layer, size_t role) const { return sums[size_t(layer) * roles.size() + role]; }
};

std::string captionOf(const Report& report)
{
    return report.modelName + (report.policyName.empty() ? "" : ", " + report.policyName);
}

} // namespace

std::string sizeFigure(const Report& report)
{
    std::map<std::string, uint64_t> before, after;
    for (const ReportTensor& tensor : report.tensors) {
        const std::string stored = tensor.info.typeLabel();
        before[stored] += tensor.info.bytes;
        after[tensor.decision.asStored ? stored : std::string(traits(tensor.decision.scheme.format).label)] +=
            tensor.figures.metrics.bytes;
    }
    std::vector<std::pair<std::string, double>> bars;
    double most = 0;
    for (const auto& [what, sizes] : {std::pair("in the file", &before), std::pair("under the policy", &after)}) {
        std::vector<std::pair<std::string, uint64_t>> sorted(sizes->begin(), sizes->end());
        std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
        for (const auto& [type, bytes] : sorted) {
            bars.emplace_back(std::string(what) + ": " + type, double(bytes) / 1e6);
            most = std::max(most, bars.back().second);
        }
    }
    if (bars.empty())
        return {};
    SvgFigure figure("Size by type", {"MB (1 MB = 1e6 bytes)", 0, most * 1.05}, {"", 0, double(bars.size())},
                     captionOf(report));
    figure.addCategories(bars, SvgFigure::kWeights);
    return figure.toSvg();
}

std::string sqnrFigure(const Report& report)
{
    const Cells cells(report);
    if (cells.sums.empty())
        return {};
    SvgHeatMap map;
    map.title = "SQNR by layer and role";
    map.measure = "SQNR (dB)";
    map.rowTitle = "layer";
    for (const TensorRole role : cells.roles)
        map.columns.emplace_back(roleName(role));
    for (int layer = 0; layer < report.layers; ++layer) {
        map.rows.push_back(std::to_string(layer));
        for (size_t role = 0; role < cells.roles.size(); ++role) {
            const ErrorMetrics& sum = cells.at(layer, role);
            map.cells.push_back(sum.count ? std::optional(sum.sqnrDb()) : std::nullopt);
        }
    }
    return map.toSvg();
}

std::string errorByLayerFigure(const Report& report)
{
    const Cells cells(report);
    if (cells.sums.empty())
        return {};
    double most = 0, least = 1e300;
    for (const ErrorMetrics& sum : cells.sums) {
        if (!sum.count || !std::isfinite(sum.relativeError()))
            continue;
        most = std::max(most, 100 * sum.relativeError());
        least = std::min(least, 100 * sum.relativeError());
    }
    // Curves that lie close together are told apart; the axis then does not begin at 0.
    const double floor = least > 0.5 * most && most > least ? least - 0.1 * (most - least) : 0;
    SvgFigure figure("Relative error by layer", {"layer", -0.5, double(report.layers) - 0.5, true},
                     {"relative error (%)", floor, most > 0 ? most + 0.1 * (most - floor) : 1}, captionOf(report));
    std::vector<std::pair<std::string, std::string>> legend;
    for (size_t role = 0; role < cells.roles.size(); ++role) {
        const char* colour = kColours[role % std::size(kColours)];
        std::vector<std::pair<double, double>> curve;
        for (int layer = 0; layer < report.layers; ++layer) {
            const ErrorMetrics& sum = cells.at(layer, role);
            if (sum.count && std::isfinite(sum.relativeError()))
                curve.emplace_back(layer, 100 * sum.relativeError());
        }
        figure.addLine(curve, colour);
        for (const auto& [x, y] : curve) {
            if (report.layers <= 100)
                figure.addPoint(x, y, {}, colour);
        }
        legend.emplace_back(roleName(cells.roles[role]), colour);
    }
    figure.setLegend(std::move(legend));
    return figure.toSvg();
}

std::string bitsByLayerFigure(const Report& report)
{
    std::vector<double> bits(size_t(report.layers)), weights(size_t(report.layers));
    for (const ReportTensor& tensor : report.tensors) {
        if (tensor.info.layer < 0 || !tensor.info.isMatrix())
            continue;
        bits[size_t(tensor.info.layer)] += 8 * double(tensor.figures.metrics.bytes);
        weights[size_t(tensor.info.layer)] += double(tensor.info.parameters());
    }
    double most = 0;
    for (size_t layer = 0; layer < bits.size(); ++layer) {
        bits[layer] = weights[layer] > 0 ? bits[layer] / weights[layer] : 0;
        most = std::max(most, bits[layer]);
    }
    if (most == 0)
        return {};
    SvgFigure figure("Bits per weight by layer", {"layer", -0.5, double(report.layers) - 0.5, true},
                     {"bits per weight of the layer's matrices", 0, most * 1.1}, captionOf(report));
    figure.addBars(-0.5, 1, bits, SvgFigure::kWeights, 0.8);
    return figure.toSvg();
}

std::string gridFigure(const Quantization& quantization, const std::string& tensor, const std::string& caption)
{
    const Histogram& scaled = quantization.scaled;
    const size_t bundle = std::max<size_t>(1, scaled.counts.size() / kPictureBins);
    std::vector<double> heights((scaled.counts.size() + bundle - 1) / bundle);
    for (size_t i = 0; i < scaled.counts.size(); ++i)
        heights[i / bundle] += double(scaled.counts[i]);
    // Every group's largest value lies exactly on an outermost level; those spikes would flatten the rest.
    std::vector<double> sorted = heights;
    std::sort(sorted.begin(), sorted.end());
    const double tallest = sorted.size() < 4 ? 1 : sorted[sorted.size() - 3];
    const auto& levels = quantization.codebook.levels;
    const double reach = levels.empty() ? scaled.hi : 1.15 * std::max(-levels.front().value, levels.back().value);
    SvgFigure figure(std::string(traits(quantization.provenance.scheme.format).label) + " on " + tensor + ": SQNR " +
                         formatSignificant(quantization.metrics.sqnrDb()) + " dB at " +
                         formatSignificant(quantization.metrics.bitsPerWeight) + " bits/weight",
                     {"weight / scale", -reach, reach}, {"values per bin", 0, tallest * 1.05}, caption);
    figure.addBars(scaled.lo, scaled.binWidth() * double(bundle), heights, SvgFigure::kWeights);
    for (const Level& level : levels)
        figure.addVertical(level.value, level.label, SvgFigure::kGrid);
    return figure.toSvg();
}

} // namespace ql
