// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/schemelabel.h"

#include "core/quant/schemetable.h"
#include "widgets/models/coretext.h"

#include <QCoreApplication>

namespace ql {
namespace {

struct LabelTexts {
    Q_DECLARE_TR_FUNCTIONS(SchemeLabel)
};

} // namespace

QString schemeLabel(const Scheme& scheme)
{
    const FormatTraits& format = traits(scheme.format);
    // Menu labels of codebooks are whole phrases; their short names fit between the points.
    const std::string_view name = format.kind == FormatKind::Codebook ? format.name : format.label;
    QString text = fromStd(name);
    if (format.kind == FormatKind::Codebook)
        text = text.section('-', 0, 0).toUpper() + (text.contains('-') ? '-' + text.section('-', 1) : QString());
    if (format.choosesSymmetry && scheme.symmetry == Symmetry::Asymmetric)
        text += LabelTexts::tr(" asym");
    if (format.choosesGranularity) {
        switch (scheme.granularity) {
        case Granularity::Tensor: text += LabelTexts::tr(" tensor"); break;
        case Granularity::Channel: text += LabelTexts::tr(" channel"); break;
        case Granularity::Group: text += QStringLiteral(" g%1").arg(scheme.groupSize); break;
        }
    }
    return text;
}

QString schemeLabelWithClip(const Scheme& scheme)
{
    const QString text = schemeLabel(scheme);
    if (!traits(scheme.format).choosesClip)
        return text;
    switch (scheme.clip) {
    case ClipMethod::MinMax: return text;
    case ClipMethod::Percentile: return text + QStringLiteral(" p%1").arg(scheme.clipParameter);
    case ClipMethod::Mse: return text + LabelTexts::tr(" mse");
    case ClipMethod::Kl: return text + LabelTexts::tr(" kl");
    case ClipMethod::Sigma: return text + QStringLiteral(" %1σ").arg(scheme.clipParameter);
    case ClipMethod::Ratio: return text + QStringLiteral(" ×%1").arg(scheme.clipParameter, 0, 'g', 3);
    case ClipMethod::Absolute: return text + QStringLiteral(" ±%1").arg(scheme.clipParameter, 0, 'g', 3);
    case ClipMethod::Output: return text + LabelTexts::tr(" output");
    }
    Q_UNREACHABLE();
}

} // namespace ql
