// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// RuleDialog: one rule of a policy - its conditions, its scheme as text, a note. While typing it says what is wrong and
// which tensors of the open model match.
#pragma once

#include "core/policy/policy.h"

#include <QDialog>

#include <memory>

namespace ql {

class RuleDialog : public QDialog
{
    Q_OBJECT
public:
    /// `model` may be null: then nothing is counted.
    explicit RuleDialog(const Rule& rule, std::shared_ptr<const Model> model = {}, QWidget* parent = nullptr);
    ~RuleDialog() override;

    void setEarlier(std::vector<Rule> rules); ///< those that come first, which take tensors away

    Rule rule() const; ///< as edited; valid after the dialog was accepted

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
