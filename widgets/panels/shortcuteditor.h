// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ShortcutEditor: every action with its shortcut, which can be typed anew. Conflicts are named and keep OK disabled.
#pragma once

#include <QAction>
#include <QDialog>
#include <QList>
#include <QMap>

#include <memory>

namespace ql {

class ShortcutEditor : public QDialog
{
    Q_OBJECT
public:
    /// Name of the action property that holds its built-in shortcut (a QKeySequence); without it "reset" brings back
    /// what the action had when the dialog opened.
    static constexpr const char* kDefaultProperty = "defaultShortcut";

    /// Actions without text are left out. They must outlive the dialog.
    explicit ShortcutEditor(const QList<QAction*>& actions, QWidget* parent = nullptr);
    ~ShortcutEditor() override;

    /// After accept(): shortcuts that differ from the built-in ones, by QObject::objectName of the action.
    QMap<QString, QKeySequence> changedShortcuts() const;

    void accept() override; ///< sets the shortcuts of the actions

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql
