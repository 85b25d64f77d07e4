// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/rangename.h"

#include "widgets/models/numbertext.h"

#include <QCoreApplication>

#include <algorithm>

namespace ql {
namespace {

struct RangeTexts {
    Q_DECLARE_TR_FUNCTIONS(ql::ActivationRange)
};

} // namespace

QString rangeName(ActivationScheme::Range range, double parameter)
{
    switch (range) {
    case ActivationScheme::Range::MinMax: return RangeTexts::tr("min-max");
    case ActivationScheme::Range::Average: return RangeTexts::tr("average");
    case ActivationScheme::Range::Percentile: return RangeTexts::tr("%1 %").arg(parameter);
    case ActivationScheme::Range::Mse: return RangeTexts::tr("MSE");
    case ActivationScheme::Range::Kl: return RangeTexts::tr("KL");
    case ActivationScheme::Range::Absolute: return RangeTexts::tr("by hand");
    }
    return {};
}

QString rangeSummary(ActivationScheme::Range range)
{
    switch (range) {
    case ActivationScheme::Range::MinMax:
        return RangeTexts::tr("The lowest and the highest value: nothing is clipped, outliers make every step wide.");
    case ActivationScheme::Range::Average:
        return RangeTexts::tr("The mean, over calibration sequences, of each sequence's lowest and highest value.");
    case ActivationScheme::Range::Percentile:
        return RangeTexts::tr("The share of values, in percent, that lies inside the limits.");
    case ActivationScheme::Range::Mse: return RangeTexts::tr("The limits with the lowest mean squared error.");
    case ActivationScheme::Range::Kl:
        return RangeTexts::tr("The limits whose quantized histogram differs least from the original one "
                              "(Kullback-Leibler divergence).");
    case ActivationScheme::Range::Absolute: return RangeTexts::tr("Limits that were set by hand, on the plot or here.");
    }
    return {};
}

ClipLimits effectiveLimits(const ClipLimits& limits, Symmetry symmetry)
{
    const float magnitude = std::max(-limits.lo, limits.hi);
    return symmetry == Symmetry::Symmetric ? ClipLimits{-magnitude, magnitude} : limits;
}

QString limitsText(double lo, double hi)
{
    if (lo == -hi)
        return QStringLiteral("± %1").arg(numberText(hi));
    return QStringLiteral("%1 … %2").arg(numberText(lo), numberText(hi));
}

} // namespace ql
