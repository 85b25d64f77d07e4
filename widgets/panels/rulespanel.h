// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// RulesPanel: a policy's rules in their order and its default scheme. Emits wishes; never changes a policy itself.
#pragma once

#include "core/policy/policy.h"

#include <QList>
#include <QWidget>

#include <memory>

namespace ql {

class RulesPanel : public QWidget
{
    Q_OBJECT
public:
    explicit RulesPanel(QWidget* parent = nullptr);
    ~RulesPanel() override;

    void setRules(const std::vector<Rule>& rules, const Scheme& defaultScheme);
    /// Tensors that each rule decides, one per rule, and those that fall to the default; -1: not counted.
    void setMatchCounts(const QList<int>& counts, int byDefault = -1);
    void selectRule(int rule);
    int selectedRule() const; ///< -1 if none

public Q_SLOTS:
    void addRule(); ///< asks with a dialog; the new rule goes before the selected one
    void editRule();
    void removeRule();
    void moveRule(int by); ///< -1 up, 1 down

Q_SIGNALS:
    void rulesEdited(const std::vector<ql::Rule>& rules); ///< the whole new list
    void defaultSchemeEdited(const ql::Scheme& scheme);
    void ruleSelected(int rule);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;
    void changeEvent(QEvent* event) override;

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
