// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// FormatCombo: every format of the scheme table under its section's heading.
#pragma once

#include "core/quant/scheme.h"

#include <QComboBox>

#include <optional>

namespace ql {

class FormatCombo : public QComboBox
{
    Q_OBJECT
public:
    explicit FormatCombo(QWidget* parent = nullptr);
    /// Only what `takes` accepts, after an entry for none that is called `off`.
    FormatCombo(bool (*takes)(Format), const QString& off, QWidget* parent = nullptr);

    std::optional<Format> format() const;          ///< nothing while mixed, or off
    void setFormat(std::optional<Format> format);  ///< emits nothing

Q_SIGNALS:
    void formatChosen(ql::Format format); ///< by the user
    void offChosen();

private:
    void fill(bool (*takes)(Format));

    QString m_off;
};

} // namespace ql
