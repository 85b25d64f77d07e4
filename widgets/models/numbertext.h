// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// How panels write numbers: three significant digits, C locale, never an invented zero. Any thread.
#pragma once

#include <QString>

#include <optional>

namespace ql {

/// "20.7", "0.00846", "1.20e-07", "∞"; whole numbers above 999 in full.
QString numberText(double value, int digits = 3);
/// Decibels: as above, but never finer than 0.01 dB, which no one can tell from nothing.
QString decibelText(double value);
/// The same with an explicit sign, for changes: "+1.23", "−0.40"; "0" without one.
QString signedNumberText(double value, int digits = 3);

/// "12.3 MB".
QString bytesText(quint64 bytes);
/// A whole count in full, thousands parted: "32,768".
QString wholeText(quint64 count);

/// "1 tensor" or "12 tensors": `many` with the count in its %1.
QString counted(qsizetype count, const QString& one, const QString& many);

/// "0.self_attn.q_proj" of "model.layers.0.self_attn.q_proj.weight": without what all weights of a model have in common.
QString shortTensorName(const QString& name);

/// Stands where a figure is still to come.
inline const QString kPendingText = QStringLiteral("…");
/// Stands where there is nothing to know.
inline const QString kNothingText = QStringLiteral("–");

/// A unit that keeps a whole column readable: what to divide by, and what its header says.
struct ColumnUnit {
    double divisor = 1;
    QString name; ///< "MB", "k", empty for plain counts
};
ColumnUnit bytesUnit(double largest);
ColumnUnit countUnit(double largest);

} // namespace ql
