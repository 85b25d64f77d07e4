// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The figures of EvaluatePage: name, unit, definition and text of each. A table; any thread.
#pragma once

#include "core/evaluation/evaluation.h"

#include <QString>

#include <span>

namespace ql {

struct EvaluationFigure {
    const char* name;    ///< untranslated, like the next two; unit in brackets
    const char* meaning; ///< definition, for the tooltip
    QString (*text)(const Evaluation&);
};
std::span<const EvaluationFigure> evaluationFigures();

/// "12.3 ± 0.2": as many digits as the standard error leaves.
QString estimateText(const Estimate& estimate, double factor = 1);

} // namespace ql
