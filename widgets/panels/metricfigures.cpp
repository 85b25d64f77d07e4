// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/metricfigures.h"

#include "widgets/models/numbertext.h"

#include <QCoreApplication>

#include <cmath>

namespace ql {
namespace {

const MetricFigure kFigures[] = {
    {QT_TRANSLATE_NOOP("Metrics", "SQNR"), "dB", "10 log10(Σx² / Σ(x̂ − x)²)",
     QT_TRANSLATE_NOOP("Metrics", "Signal to quantization noise; one more bit adds about 6 dB."), true,
     [](const ErrorMetrics& m) { return m.sqnrDb(); }},
    {QT_TRANSLATE_NOOP("Metrics", "MSE"), "", "Σ(x̂ − x)² / n",
     QT_TRANSLATE_NOOP("Metrics", "Mean squared error, in squared weight units."), false,
     [](const ErrorMetrics& m) { return m.mse(); }},
    {QT_TRANSLATE_NOOP("Metrics", "Relative error"), "", "‖x̂ − x‖ / ‖x‖",
     QT_TRANSLATE_NOOP("Metrics", "Size of the error as a share of the size of the weights (Frobenius norm)."), false,
     [](const ErrorMetrics& m) { return m.relativeError(); }},
    {QT_TRANSLATE_NOOP("Metrics", "Output SQNR"), "dB", "10 log10(E‖xWᵀ‖² / E‖xWᵀ − xŴᵀ‖²)",
     QT_TRANSLATE_NOOP("Metrics", "The same at the layer's output, over the inputs x of the calibration."), true, nullptr,
     [](const OutputError& e) { return e.sqnrDb(); }},
    {QT_TRANSLATE_NOOP("Metrics", "Output error"), "", "√(E‖xWᵀ − xŴᵀ‖² / E‖xWᵀ‖²)",
     QT_TRANSLATE_NOOP("Metrics", "What of the layer's output is wrong: errors on channels with large inputs count more."),
     false, nullptr, [](const OutputError& e) { return e.relative(); }},
    {QT_TRANSLATE_NOOP("Metrics", "Max error"), "", "max |x̂ − x|",
     QT_TRANSLATE_NOOP("Metrics", "The worst single weight; clipping raises it."), false,
     [](const ErrorMetrics& m) { return m.maxAbsError; }},
    {QT_TRANSLATE_NOOP("Metrics", "Mean abs. error"), "", "Σ|x̂ − x| / n",
     QT_TRANSLATE_NOOP("Metrics", "Mean absolute error, in weight units."), false,
     [](const ErrorMetrics& m) { return m.meanAbsError(); }},
    {QT_TRANSLATE_NOOP("Metrics", "Cosine"), "", "⟨x, x̂⟩ / (‖x‖ ‖x̂‖)",
     QT_TRANSLATE_NOOP("Metrics", "Whether the weights still point the same way; 1 is perfect."), true,
     [](const ErrorMetrics& m) { return m.cosine(); }},
    {QT_TRANSLATE_NOOP("Metrics", "Clipped"), "%", "values beyond the outermost levels / n",
     QT_TRANSLATE_NOOP("Metrics", "Share of values that the limits cut off."), false,
     [](const ErrorMetrics& m) { return 100 * m.clippedShare(); }},
    {QT_TRANSLATE_NOOP("Metrics", "Code entropy"), "bits", "−Σ p log2 p over the codes",
     QT_TRANSLATE_NOOP("Metrics", "How much of the code's width is used; at most its number of bits."), true,
     [](const ErrorMetrics& m) { return m.entropyBits(); }},
    {QT_TRANSLATE_NOOP("Metrics", "Storage"), "bits/w", "stored bits / n",
     QT_TRANSLATE_NOOP("Metrics", "Bits per weight with scales, zero points and padding."), false,
     [](const ErrorMetrics& m) { return m.bitsPerWeight; }},
    {QT_TRANSLATE_NOOP("Metrics", "Size"), "bytes", "stored bytes of the tensor",
     QT_TRANSLATE_NOOP("Metrics", "All overhead included (1 MB = 1e6 bytes)."), false,
     [](const ErrorMetrics& m) { return double(m.bytes); }},
};

} // namespace

std::span<const MetricFigure> metricFigures()
{
    return kFigures;
}

QString metricText(const char* text)
{
    return QCoreApplication::translate("Metrics", text);
}

QString figureText(const MetricFigure& figure, double value)
{
    return qstrcmp(figure.unit, "dB") == 0      ? decibelText(value)
           : qstrcmp(figure.unit, "bytes") == 0 ? wholeText(quint64(value))
                                                : numberText(value);
}

Trend trendOf(const MetricFigure& figure, double now, double before)
{
    if (now == before || std::isnan(now) || std::isnan(before))
        return Trend::Same;
    if (std::abs(now - before) < 5e-4 * std::max(std::abs(now), std::abs(before)))
        return Trend::Same;
    return (now > before) == figure.higherIsBetter ? Trend::Better : Trend::Worse;
}

} // namespace ql
