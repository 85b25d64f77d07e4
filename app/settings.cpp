// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/settings.h"

namespace ql {
namespace {
constexpr int kRecentModels = 10;
}

Settings::Settings() : m_store(std::make_unique<QSettings>(QStringLiteral("quantloupe"), QStringLiteral("quantloupe"))) {}

Settings::Settings(const QString& file) : m_store(std::make_unique<QSettings>(file, QSettings::IniFormat)) {}

QStringList Settings::recentModels() const
{
    return m_store->value(QStringLiteral("recent")).toStringList();
}

void Settings::addRecentModel(const QString& path)
{
    QStringList recent = recentModels();
    recent.removeAll(path);
    recent.prepend(path);
    m_store->setValue(QStringLiteral("recent"), recent.mid(0, kRecentModels));
}

QString Settings::lastModel() const
{
    return m_store->value(QStringLiteral("last_model")).toString();
}

void Settings::setLastModel(const QString& path)
{
    m_store->setValue(QStringLiteral("last_model"), path);
}

ThemeMode Settings::theme() const
{
    const QString name = m_store->value(QStringLiteral("theme")).toString();
    return name == QLatin1String("light") ? ThemeMode::Light : name == QLatin1String("dark") ? ThemeMode::Dark : ThemeMode::System;
}

void Settings::setTheme(ThemeMode mode)
{
    const char* name = mode == ThemeMode::Light ? "light" : mode == ThemeMode::Dark ? "dark" : "system";
    m_store->setValue(QStringLiteral("theme"), QString::fromLatin1(name));
}

QString Settings::device() const
{
    return m_store->value(QStringLiteral("device"), QStringLiteral("auto")).toString();
}

void Settings::setDevice(const QString& id)
{
    m_store->setValue(QStringLiteral("device"), id);
}

bool Settings::readInsteadOfMapping() const
{
    return m_store->value(QStringLiteral("read_instead_of_mapping"), false).toBool();
}

void Settings::setReadInsteadOfMapping(bool read)
{
    m_store->setValue(QStringLiteral("read_instead_of_mapping"), read);
}

QByteArray Settings::state(const char* part) const
{
    return m_store->value(QStringLiteral("state/") + QLatin1String(part)).toByteArray();
}

void Settings::setState(const char* part, const QByteArray& state)
{
    m_store->setValue(QStringLiteral("state/") + QLatin1String(part), state);
}

QKeySequence Settings::shortcut(const QString& action, const QKeySequence& fallback) const
{
    const QVariant stored = m_store->value(QStringLiteral("shortcuts/") + action);
    return stored.isValid() ? QKeySequence(stored.toString(), QKeySequence::PortableText) : fallback;
}

void Settings::setShortcut(const QString& action, const QKeySequence& sequence)
{
    m_store->setValue(QStringLiteral("shortcuts/") + action, sequence.toString(QKeySequence::PortableText));
}

} // namespace ql
