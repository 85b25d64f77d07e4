// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Snapshots: named states of a model's policy that outlive undo and the program. One file per model, named by its
// fingerprint; several running programs add to the same one. GUI thread.
#pragma once

#include "core/policy/policy.h"

#include <QDateTime>
#include <QObject>
#include <QString>

#include <functional>
#include <vector>

namespace ql {

struct Snapshot {
    QString name, note;
    QDateTime time; ///< UTC
    Policy policy;
};

class Snapshots : public QObject
{
    Q_OBJECT
public:
    explicit Snapshots(const QString& folder, QObject* parent = nullptr);

    /// Reads those of another model; empty: none. failed() for a file that cannot be read, which is then left alone.
    void setModel(const std::string& fingerprint);
    const std::vector<Snapshot>& all() const { return m_snapshots; } ///< oldest first

    void add(const QString& name, const QString& note, const Policy& policy);
    void describe(int index, const QString& name, const QString& note);
    void remove(int index);

Q_SIGNALS:
    void changed();
    void failed(const ql::Error& error);

private:
    Result<std::vector<Snapshot>> read() const;
    void change(const std::function<void(std::vector<Snapshot>&)>& edit);

    QString m_folder, m_file;
    std::vector<Snapshot> m_snapshots;
};

} // namespace ql
