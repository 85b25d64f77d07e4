// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// RuleDialog: one rule of a policy - what it applies to, its scheme as text, a note. Says what is wrong while typing.
#pragma once

#include "core/policy/policy.h"

#include <QDialog>

#include <memory>

namespace ql {

class RuleDialog : public QDialog
{
    Q_OBJECT
public:
    explicit RuleDialog(const Rule& rule, QWidget* parent = nullptr);
    ~RuleDialog() override;

    Rule rule() const; ///< as edited; valid after the dialog was accepted

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
