// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Journal: the policy being edited, kept in a sidecar file so that a crash loses at most a few seconds of edits. Each
// running program owns one locked file; what is found unlocked at the next start was left by a crash.
#pragma once

#include "core/policy/policy.h"

#include <QLockFile>
#include <QObject>
#include <QTimer>

#include <memory>
#include <optional>

namespace ql {

class Session;

class Journal : public QObject
{
    Q_OBJECT
public:
    /// Written at most this long after an edit.
    static constexpr int kDelayMs = 2000;

    Journal(Session* session, const QString& folder, QObject* parent = nullptr);
    ~Journal() override; ///< a clean end removes the file

    struct Leftover {
        QString file, modelPath;
        Policy policy;
    };
    /// The newest journal that no running program owns, if it holds unsaved edits.
    std::optional<Leftover> findLeftover() const;
    void discard(const Leftover& leftover);
    void writeNow();

private:
    Session* m_session;
    QString m_folder;
    QString m_file;
    std::unique_ptr<QLockFile> m_lock;
    QTimer m_timer;
};

} // namespace ql
