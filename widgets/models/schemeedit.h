// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Editing schemes of several tensors at once: which options differ, which may be chosen, and how one changed option is
// put on schemes that otherwise stay as they are. Free functions; any thread.
#pragma once

#include "core/quant/schemetable.h"

#include <QFlags>
#include <QList>
#include <QString>

namespace ql {

enum class SchemeField : unsigned {
    Format = 0x01,
    Symmetry = 0x02,
    Range = 0x04,
    Granularity = 0x08, ///< with the group size
    Clip = 0x10,        ///< with its parameter
    Rounding = 0x20,    ///< with its seed
    ScaleType = 0x40,
    DoubleQuant = 0x80,
    Importance = 0x100,
    All = 0x1ff,
};
Q_DECLARE_FLAGS(SchemeFields, SchemeField)
Q_DECLARE_OPERATORS_FOR_FLAGS(SchemeFields)

/// The single fields, in the order of a form.
QList<SchemeField> schemeFields();
/// Fields in which these schemes differ from the first.
SchemeFields differingFields(const QList<Scheme>& schemes);
/// Fields that `scheme` leaves open; the others are fixed by its format or by another option.
SchemeFields choosableFields(const Scheme& scheme);
/// Fields whose value says something of `scheme`: those its format leaves open, and blocks and scales that it fixes in the
/// same terms. The values of other fields mean nothing and are not to be shown.
SchemeFields statedFields(const Scheme& scheme);
/// Why a field is not among them, one sentence for a tooltip; empty when it is.
QString whyFixed(SchemeField field, const Scheme& scheme);

/// `scheme` in another format: options that were moved off the old format's defaults are kept where the new format
/// lets one choose them, all others take the new format's defaults.
Scheme withFormat(const Scheme& scheme, Format format);
/// `scheme` after an edit: options that contradict each other give way (double quantization asks for f32 scales and more
/// than one of them), and what has no meaning goes back to its default.
Scheme reconciled(Scheme scheme);
/// `base` with the given fields of `edited`; fields that base's format does not leave open stay. Reconciled.
Scheme withFields(const Scheme& base, const Scheme& edited, SchemeFields fields);

/// `quantloupe-cli quantize ...` for these tensors, quoted for a POSIX shell.
QString commandLine(const QString& modelPath, const QStringList& tensors, const Scheme& scheme);

} // namespace ql
