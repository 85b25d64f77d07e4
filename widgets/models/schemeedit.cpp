// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/schemeedit.h"

#include "widgets/models/coretext.h"

#include <QCoreApplication>
#include <QRegularExpression>

namespace ql {
namespace {

struct SchemeTexts {
    Q_DECLARE_TR_FUNCTIONS(SchemeEdit)
};

bool formatLeavesOpen(const FormatTraits& format, SchemeField field)
{
    switch (field) {
    case SchemeField::Format: return true;
    case SchemeField::Symmetry: return format.choosesSymmetry;
    case SchemeField::Range: return format.choosesRange;
    case SchemeField::Granularity: return format.choosesGranularity;
    case SchemeField::Clip: return format.choosesClip;
    case SchemeField::Rounding: return format.choosesRounding;
    case SchemeField::ScaleType: return format.choosesScaleType;
    case SchemeField::DoubleQuant: return format.choosesDoubleQuant;
    case SchemeField::Importance: return format.choosesImportance;
    case SchemeField::All: break;
    }
    return false;
}

bool sameField(const Scheme& a, const Scheme& b, SchemeField field)
{
    switch (field) {
    case SchemeField::Format: return a.format == b.format;
    case SchemeField::Symmetry: return a.symmetry == b.symmetry;
    case SchemeField::Range: return a.range == b.range;
    case SchemeField::Granularity:
        return a.granularity == b.granularity && (a.granularity != Granularity::Group || a.groupSize == b.groupSize);
    case SchemeField::Clip: return a.clip == b.clip && a.clipParameter == b.clipParameter;
    case SchemeField::Rounding:
        return a.rounding == b.rounding && (a.rounding == Rounding::Nearest || a.seed == b.seed);
    case SchemeField::ScaleType: return a.scaleType == b.scaleType;
    case SchemeField::DoubleQuant: return a.doubleQuant == b.doubleQuant;
    case SchemeField::Importance: return a.importance == b.importance;
    case SchemeField::All: break;
    }
    return false;
}

void copyField(Scheme& to, const Scheme& from, SchemeField field)
{
    switch (field) {
    case SchemeField::Format: break; // see withFormat
    case SchemeField::Symmetry: to.symmetry = from.symmetry; break;
    case SchemeField::Range: to.range = from.range; break;
    case SchemeField::Granularity:
        to.granularity = from.granularity;
        to.groupSize = from.groupSize;
        break;
    case SchemeField::Clip:
        to.clip = from.clip;
        to.clipParameter = from.clipParameter;
        break;
    case SchemeField::Rounding:
        to.rounding = from.rounding;
        to.seed = from.seed;
        break;
    case SchemeField::ScaleType: to.scaleType = from.scaleType; break;
    case SchemeField::DoubleQuant: to.doubleQuant = from.doubleQuant; break;
    case SchemeField::Importance: to.importance = from.importance; break;
    case SchemeField::All: break;
    }
}

/// Asymmetric integers always use all their codes, so strict or full is no question for them.
bool rangeIsMoot(const Scheme& scheme)
{
    return scheme.symmetry == Symmetry::Asymmetric;
}

QString quoted(QString text)
{
    return '\'' + text.replace('\'', QLatin1String("'\\''")) + '\'';
}

} // namespace

QList<SchemeField> schemeFields()
{
    return {SchemeField::Format, SchemeField::Symmetry, SchemeField::Range,     SchemeField::Granularity,
            SchemeField::Clip,   SchemeField::Rounding, SchemeField::ScaleType, SchemeField::DoubleQuant,
            SchemeField::Importance};
}

SchemeFields differingFields(const QList<Scheme>& schemes)
{
    SchemeFields differing;
    for (const Scheme& scheme : schemes) {
        for (const SchemeField field : schemeFields())
            differing.setFlag(field, differing.testFlag(field) || !sameField(scheme, schemes.first(), field));
    }
    return differing;
}

SchemeFields choosableFields(const Scheme& scheme)
{
    SchemeFields open;
    for (const SchemeField field : schemeFields())
        open.setFlag(field, formatLeavesOpen(traits(scheme.format), field));
    if (rangeIsMoot(scheme))
        open.setFlag(SchemeField::Range, false);
    if (scheme.granularity == Granularity::Tensor)
        open.setFlag(SchemeField::DoubleQuant, false);
    if (scheme.doubleQuant)
        open.setFlag(SchemeField::ScaleType, false);
    return open;
}

SchemeFields statedFields(const Scheme& scheme)
{
    const FormatTraits& format = traits(scheme.format);
    SchemeFields stated;
    for (const SchemeField field : schemeFields())
        stated.setFlag(field, formatLeavesOpen(format, field));
    const bool blocks = format.kind == FormatKind::Micro || format.kind == FormatKind::Ggml;
    stated.setFlag(SchemeField::Granularity, stated.testFlag(SchemeField::Granularity) || blocks);
    stated.setFlag(SchemeField::ScaleType, stated.testFlag(SchemeField::ScaleType) || blocks);
    return stated;
}

QString whyFixed(SchemeField field, const Scheme& scheme)
{
    const FormatTraits& format = traits(scheme.format);
    const QString name = fromStd(format.label);
    if (field == SchemeField::Range && format.choosesRange && rangeIsMoot(scheme))
        return SchemeTexts::tr("Asymmetric codes always use their whole range; strict or full is a choice for symmetric ones.");
    if (field == SchemeField::DoubleQuant && format.choosesDoubleQuant && scheme.granularity == Granularity::Tensor)
        return SchemeTexts::tr("A single scale is not worth quantizing; choose one scale per channel or group.");
    if (field == SchemeField::ScaleType && format.choosesScaleType && scheme.doubleQuant)
        return SchemeTexts::tr("Double quantization starts from f32 scales.");
    if (formatLeavesOpen(format, field))
        return {};
    if (format.kind == FormatKind::Keep)
        return SchemeTexts::tr("%1 keeps or casts the values: there is no grid to set up.").arg(name);
    switch (field) {
    case SchemeField::Symmetry: return SchemeTexts::tr("The levels of %1 are fixed, so there is no zero point to choose.").arg(name);
    case SchemeField::Range: return SchemeTexts::tr("The levels of %1 are fixed; only integers have a strict and a full range.").arg(name);
    case SchemeField::Granularity:
        return format.groupSize == format.blockSize
                   ? SchemeTexts::tr("%1 is defined on blocks of %2 values.").arg(name).arg(format.blockSize)
                   : SchemeTexts::tr("%1 is defined on blocks of %2 values, each %3 of them with a scale.")
                         .arg(name).arg(format.blockSize).arg(format.groupSize);
    case SchemeField::Clip: return SchemeTexts::tr("%1 defines how the scale of a block is found.").arg(name);
    case SchemeField::Rounding: return SchemeTexts::tr("%1 defines how values are rounded.").arg(name);
    case SchemeField::ScaleType: return SchemeTexts::tr("%1 defines the type of its scales.").arg(name);
    case SchemeField::DoubleQuant: return SchemeTexts::tr("%1 stores its scales in one fixed way.").arg(name);
    case SchemeField::Importance: return SchemeTexts::tr("%1 finds its scales without weights for columns.").arg(name);
    case SchemeField::Format:
    case SchemeField::All: break;
    }
    return {};
}

Scheme withFormat(const Scheme& scheme, Format format)
{
    Scheme result = Scheme::defaultsFor(format);
    const Scheme before = Scheme::defaultsFor(scheme.format);
    for (const SchemeField field : schemeFields()) {
        const bool moved = formatLeavesOpen(traits(scheme.format), field) && !sameField(scheme, before, field);
        if (moved && formatLeavesOpen(traits(format), field))
            copyField(result, scheme, field);
    }
    return reconciled(result);
}

Scheme reconciled(Scheme scheme)
{
    if (scheme.granularity == Granularity::Tensor)
        scheme.doubleQuant = false;
    if (scheme.doubleQuant)
        scheme.scaleType = ScaleType::F32;
    return scheme.normalized();
}

Scheme withFields(const Scheme& base, const Scheme& edited, SchemeFields fields)
{
    Scheme result = fields.testFlag(SchemeField::Format) && base.format != edited.format
                        ? withFormat(base, edited.format)
                        : base;
    for (const SchemeField field : schemeFields()) {
        if (fields.testFlag(field) && formatLeavesOpen(traits(result.format), field))
            copyField(result, edited, field);
    }
    return reconciled(result);
}

QString commandLine(const QString& modelPath, const QStringList& tensors, const Scheme& scheme)
{
    QStringList names;
    for (const QString& tensor : tensors)
        names << QRegularExpression::escape(tensor);
    const QString pattern = names.size() == 1 ? names.first() : '(' + names.join(QLatin1Char('|')) + ')';
    const QString line = QLatin1String("quantloupe-cli quantize ") + quoted(modelPath) + QLatin1String(" --tensor ") +
                         quoted('^' + pattern + '$');
    return line + QLatin1String(" --scheme ") + quoted(QString::fromStdString(scheme.text()));
}

} // namespace ql
