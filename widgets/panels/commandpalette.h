// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// CommandPalette: Ctrl+K. Finds actions, tensors, rules and help topics by fuzzy text.
#pragma once

#include <QAction>
#include <QFrame>
#include <QList>

#include <memory>

namespace ql {

class CommandPalette : public QFrame
{
    Q_OBJECT
public:
    /// Of an action: its name in the palette where the text alone ("Q4_K_M") says too little.
    static constexpr const char* kTextProperty = "paletteText";

    explicit CommandPalette(QWidget* parent = nullptr);
    ~CommandPalette() override;
    void setActions(const QList<QAction*>& actions);
    void setTensors(const QStringList& names); ///< index in this list is the tensor index
    void setRules(const QStringList& rules);
    void setHelpTopics(const QStringList& topics);
    void popup();                              ///< centred at the top of the parent window, focus in the line

Q_SIGNALS:
    void tensorChosen(int tensor);
    void ruleChosen(int rule);       ///< index in setRules()
    void helpTopicChosen(int topic); ///< index in setHelpTopics()

protected:
    bool eventFilter(QObject* watched, QEvent* event) override;

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
