// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The figures of MetricsPanel: one row per measure, with its unit, formula and meaning. A table; any thread.
#pragma once

#include "core/calibration/outputerror.h"

#include <QString>

#include <span>

namespace ql {

struct MetricFigure {
    const char* name;    ///< untranslated, like the texts below
    const char* unit;    ///< empty where there is none
    const char* formula;
    const char* meaning;
    bool higherIsBetter;
    double (*value)(const ErrorMetrics&);       ///< null for a figure of the output
    double (*output)(const OutputError&) = nullptr; ///< null for a figure of the weights
};
std::span<const MetricFigure> metricFigures();

/// One of its texts, translated.
QString metricText(const char* text);
/// A value of the figure, without its unit.
QString figureText(const MetricFigure& figure, double value);

enum class Trend { Same, Better, Worse };
/// How `now` compares with `before`; a change that three digits do not show is none.
Trend trendOf(const MetricFigure& figure, double now, double before);

} // namespace ql
