// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// RecipeImport: the recipe of another engine, from a file or pasted, as a policy of the open model. While the text is
// edited it says which dialect it is, what is wrong in which line, what is left out and what would change. GUI thread.
#pragma once

#include "core/policy/dialects/dialect.h"

#include <QDialog>
#include <QTimer>

#include <optional>

class QLabel;
class QListWidget;
class QPlainTextEdit;
class QPushButton;

namespace ql {

class InlineBar;

class RecipeImport : public QDialog
{
    Q_OBJECT
public:
    RecipeImport(std::shared_ptr<const Model> model, Policy present, QWidget* parent);

    void openFile(const QString& path);
    const std::optional<Policy>& policy() const { return m_policy; } ///< nothing while the text is none
    QString name() const; ///< of the file, or what it is a recipe for

protected:
    void dragEnterEvent(QDragEnterEvent* event) override;
    void dropEvent(QDropEvent* event) override;

private:
    void build();
    void askForFile();
    void check();
    void showProblem(const Error& error);
    void showChanges();

    std::shared_ptr<const Model> m_model;
    Policy m_present;
    std::optional<Policy> m_policy;
    QString m_path, m_dialectName;
    QTimer m_typing;
    QLabel* m_source;
    QPlainTextEdit* m_text;
    InlineBar* m_bar;
    QLabel* m_changes;
    QLabel* m_leftTitle;
    QListWidget* m_left;
    QPushButton* m_import;
};

} // namespace ql
