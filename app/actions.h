// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Actions: every action of the program with its text, shortcut and icon, and the menus that hold them all. One table in
// actions.cpp; the window connects them by id.
#pragma once

#include "app/settings.h"

#include <QAction>
#include <QHash>
#include <QMenu>
#include <QObject>

class QMainWindow;
class QToolBar;

namespace ql {

struct Preset;

class Actions : public QObject
{
    Q_OBJECT
public:
    Actions(QMainWindow* window, Settings& settings);

    /// Asserts that `id` is in the table.
    QAction* operator[](const char* id) const;
    static QByteArray presetId(const Preset& preset); ///< of the action that applies it
    QList<QAction*> all() const { return m_order; }
    QMenu* menu(const char* id) const; ///< "file", "recent", "view" ...
    void fillToolBar(QToolBar* bar) const;
    void retint(); ///< after the theme changed
    void saveShortcuts(Settings& settings) const;

private:
    QAction* make(QMainWindow* window, Settings& settings, const QString& id, const QString& text, const QKeySequence& keys);
    void addPresets(QMainWindow* window, Settings& settings);

    QHash<QString, QAction*> m_actions;
    QHash<QString, QMenu*> m_menus;
    QList<QAction*> m_order;
};

} // namespace ql
