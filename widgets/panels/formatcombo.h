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

    std::optional<Format> format() const;          ///< nothing while mixed
    void setFormat(std::optional<Format> format);  ///< emits nothing

Q_SIGNALS:
    void formatChosen(ql::Format format); ///< by the user
};

} // namespace ql
