// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Settings: what the program remembers between runs. A thin typed face on QSettings; passed down, not global.
#pragma once

#include "widgets/theme.h"

#include <QByteArray>
#include <QKeySequence>
#include <QSettings>
#include <QStringList>

#include <memory>

namespace ql {

class Settings
{
public:
    Settings();
    explicit Settings(const QString& file); ///< an INI file, for tests

    QStringList recentModels() const;
    void addRecentModel(const QString& path); ///< newest first, at most ten
    QString lastModel() const;
    void setLastModel(const QString& path);

    ThemeMode theme() const;
    void setTheme(ThemeMode mode);
    QString device() const; ///< "auto" unless chosen
    void setDevice(const QString& id);
    bool readInsteadOfMapping() const;
    void setReadInsteadOfMapping(bool read);

    QByteArray state(const char* part) const;
    void setState(const char* part, const QByteArray& state);
    QKeySequence shortcut(const QString& action, const QKeySequence& fallback) const;
    void setShortcut(const QString& action, const QKeySequence& sequence);
    void sync() { m_store->sync(); }

private:
    std::unique_ptr<QSettings> m_store;
};

} // namespace ql
