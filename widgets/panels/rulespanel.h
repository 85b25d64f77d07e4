// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// RulesPanel: a policy's rules in their order, the tensors that the selected rule is about, findings, and what holds for
// the rest. Emits wishes; never changes a policy itself.
#pragma once

#include "core/policy/validation.h"

#include <QWidget>

#include <memory>

class QAction;
class QMenu;

namespace ql {

class RulesPanel : public QWidget
{
    Q_OBJECT
public:
    explicit RulesPanel(QWidget* parent = nullptr);
    ~RulesPanel() override;

    void setModel(std::shared_ptr<const Model> model); ///< null: none is open
    void setPresetMenu(QMenu* menu);
    void setSelectionAction(QAction* action); ///< makes a rule from the selected tensors
    void setRules(const std::vector<Rule>& rules, const Scheme& defaultScheme, bool share = false);
    /// What the rules come to: one use per rule, one decision per tensor of the model.
    void setInsight(std::vector<RuleUse> uses, const std::vector<Finding>& findings,
                    const std::vector<Decision>& decisions = {});
    void selectRule(int rule);
    int selectedRule() const; ///< -1 if none

public Q_SLOTS:
    void addRule(); ///< asks with a dialog; the new rule goes before the selected one
    void editRule();
    void removeRule();
    void moveRule(int by); ///< -1 up, 1 down
    void moveRuleTo(int from, int to); ///< `to`: its place after the move

Q_SIGNALS:
    void rulesEdited(const std::vector<ql::Rule>& rules); ///< the whole new list
    void defaultSchemeEdited(const ql::Scheme& scheme);
    void shareToggled(bool share);
    void ruleSelected(int rule);
    void tensorPicked(int tensor);

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
