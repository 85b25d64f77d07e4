// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// RecipeDialog: the policy as the recipe of any other engine: which of them can say it, the text, and what it cannot say
// before it is copied or saved. GUI thread.
#pragma once

#include "core/policy/dialects/dialect.h"

#include <QDialog>

class QLabel;
class QListWidget;
class QPlainTextEdit;
class QPushButton;

namespace ql {

class InlineBar;

class RecipeDialog : public QDialog
{
    Q_OBJECT
public:
    RecipeDialog(std::shared_ptr<const Model> model, Policy policy, QWidget* parent);

private:
    QWidget* buildRecipe();
    void markDialects();
    const Dialect& dialect() const;
    void showRecipe();
    void saveAs();

    std::shared_ptr<const Model> m_model;
    Policy m_policy;
    QListWidget* m_dialects;
    QLabel* m_about;
    InlineBar* m_bar;
    QPlainTextEdit* m_text;
    QLabel* m_lostTitle;
    QListWidget* m_lost;
    QPushButton* m_copy;
    QPushButton* m_save;
};

} // namespace ql
