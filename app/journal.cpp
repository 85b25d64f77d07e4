// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/journal.h"

#include "app/session.h"
#include "core/io/atomicfile.h"

#include <QCoreApplication>
#include <QDir>
#include <QFile>
#include <QFileInfo>

namespace ql {
namespace {

/// First line: the model's path; the rest: the policy.
std::string contentsFor(const Session& session)
{
    return session.model()->path() + "\n" + session.policy().toJson();
}

QString lockOf(const QString& journal)
{
    return journal + QStringLiteral(".lock");
}

} // namespace

Journal::Journal(Session* session, const QString& folder, QObject* parent)
    : QObject(parent), m_session(session), m_folder(folder)
{
    QDir().mkpath(folder);
    for (int number = 0; !m_lock; ++number) {
        const QString file = QStringLiteral("%1/%2-%3.journal").arg(folder).arg(QCoreApplication::applicationPid()).arg(number);
        auto lock = std::make_unique<QLockFile>(lockOf(file));
        lock->setStaleLockTime(0);
        if (!QFileInfo::exists(file) && lock->tryLock(0)) {
            m_file = file;
            m_lock = std::move(lock);
        } else if (number > 100) {
            return; // no place to write a journal; editing still works
        }
    }
    m_timer.setSingleShot(true);
    m_timer.setInterval(kDelayMs);
    connect(&m_timer, &QTimer::timeout, this, &Journal::writeNow);
    connect(session, &Session::policyChanged, this, [this] {
        if (!m_timer.isActive())
            m_timer.start();
    });
}

Journal::~Journal()
{
    QFile::remove(m_file);
}

void Journal::writeNow()
{
    m_timer.stop();
    if (m_file.isEmpty())
        return;
    if (!m_session->model() || m_session->undoStack()->isClean())
        QFile::remove(m_file);
    else if (const Status written = writeFileAtomically(m_file.toStdString(), contentsFor(*m_session)); !written.ok())
        Q_EMIT m_session->warned(tr("the journal could not be written: %1").arg(QString::fromStdString(written.error().text())));
}

std::optional<Journal::Leftover> Journal::findLeftover() const
{
    const auto files = QDir(m_folder).entryInfoList({QStringLiteral("*.journal")}, QDir::Files, QDir::Time);
    for (const QFileInfo& info : files) {
        const QString file = info.absoluteFilePath();
        QLockFile lock(lockOf(file));
        lock.setStaleLockTime(0);
        if (QFileInfo(file) == QFileInfo(m_file) || !lock.tryLock(0))
            continue;
        const auto text = readWholeFile(file.toStdString(), 8 << 20);
        if (!text.ok())
            continue;
        const size_t line = text->find('\n');
        const auto policy = Policy::parse(std::string_view(*text).substr(line == std::string::npos ? 0 : line + 1));
        if (policy.ok())
            return Leftover{file, QString::fromStdString(text->substr(0, line)), *policy};
    }
    return std::nullopt;
}

void Journal::discard(const Leftover& leftover)
{
    QFile::remove(leftover.file);
}

} // namespace ql
