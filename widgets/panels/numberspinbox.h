// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// NumberSpinBox: a spin box that writes what is needed, not a fixed number of zeros. GUI thread.
#pragma once

#include <QDoubleSpinBox>
#include <QLocale>

namespace ql {

/// A spin box that has been still for this long has finished moving.
inline constexpr int kSpinSettleMs = 350;

class NumberSpinBox : public QDoubleSpinBox
{
public:
    using QDoubleSpinBox::QDoubleSpinBox;

protected:
    QString textFromValue(double value) const override { return QLocale::c().toString(value, 'g', 7); }
};

} // namespace ql
