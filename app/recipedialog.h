// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// RecipeDialog: the policy as another engine's recipe - its text and what it cannot say - to copy or save. Also reading
// such a recipe as the policy. GUI thread.
#pragma once

#include "app/session.h"
#include "core/policy/dialects/dialect.h"

#include <QDialog>

class QComboBox;
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
    void showRecipe();
    void saveAs();

    std::shared_ptr<const Model> m_model;
    Policy m_policy;
    QComboBox* m_dialect;
    QLabel* m_about;
    QPlainTextEdit* m_text;
    QLabel* m_lostTitle;
    QListWidget* m_lost;
    QPushButton* m_copy;
    QPushButton* m_save;
};

/// Makes the recipe in this file the session's policy, as one undoable step; the bar says what it could not take over,
/// or why nothing changed. Whether it did.
bool importRecipe(Session& session, InlineBar& bar, const QString& path);

} // namespace ql
