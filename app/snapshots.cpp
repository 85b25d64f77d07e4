// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/snapshots.h"

#include "core/io/atomicfile.h"
#include "core/io/json.h"

#include <QDir>
#include <QFileInfo>
#include <QLockFile>

#include <algorithm>

namespace ql {
namespace {

constexpr JsonLimits kLimits{64u << 20, 64};
constexpr int kLockMs = 2000;

QString textOf(const nlohmann::json& object, const char* key)
{
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? QString::fromStdString(found->get<std::string>()) : QString();
}

Result<Snapshot> parseSnapshot(const nlohmann::json& json, const std::string& where)
{
    if (!json.is_object() || !json.contains("policy"))
        return Error{ErrorCode::PolicySyntax, "a snapshot must be an object with \"policy\"", where};
    const auto policy = Policy::parse(json["policy"].dump());
    if (!policy.ok())
        return Error{policy.error().code, policy.error().message, where};
    return Snapshot{textOf(json, "name"), textOf(json, "note"), QDateTime::fromString(textOf(json, "time"), Qt::ISODate), *policy};
}

bool same(const Snapshot& a, const Snapshot& b)
{
    return a.time == b.time && a.name == b.name && a.note == b.note && a.policy == b.policy;
}

std::string textOf(const std::vector<Snapshot>& snapshots)
{
    nlohmann::ordered_json json = {{"quantloupe_snapshots", 1}, {"snapshots", nlohmann::ordered_json::array()}};
    for (const Snapshot& snapshot : snapshots) {
        json["snapshots"].push_back({{"name", snapshot.name.toStdString()},
                                     {"note", snapshot.note.toStdString()},
                                     {"time", snapshot.time.toUTC().toString(Qt::ISODateWithMs).toStdString()},
                                     {"policy", nlohmann::ordered_json::parse(snapshot.policy.toJson())}});
    }
    return json.dump(1) + "\n";
}

} // namespace

Snapshots::Snapshots(const QString& folder, QObject* parent) : QObject(parent), m_folder(folder) {}

void Snapshots::setModel(const std::string& fingerprint)
{
    m_file = fingerprint.empty() ? QString() : QStringLiteral("%1/%2.json").arg(m_folder, QString::fromStdString(fingerprint));
    m_snapshots.clear();
    if (auto snapshots = read(); snapshots.ok())
        m_snapshots = std::move(*snapshots);
    else
        Q_EMIT failed(snapshots.error());
    Q_EMIT changed();
}

Result<std::vector<Snapshot>> Snapshots::read() const
{
    std::vector<Snapshot> snapshots;
    if (m_file.isEmpty() || !QFileInfo::exists(m_file))
        return snapshots;
    const std::string path = m_file.toStdString();
    QL_TRY(const nlohmann::json json, readJson(path, kLimits));
    const auto list = json.is_object() ? json.find("snapshots") : json.end();
    if (!json.is_object() || json.value("quantloupe_snapshots", nlohmann::json()) != 1 || list == json.end() || !list->is_array())
        return Error{ErrorCode::PolicySyntax, "this is no file of snapshots that this program knows", path};
    for (size_t i = 0; i < list->size(); ++i) {
        QL_TRY(Snapshot snapshot, parseSnapshot((*list)[i], path + ": snapshot " + std::to_string(i + 1)));
        snapshots.push_back(std::move(snapshot));
    }
    return snapshots;
}

/// Reads anew, edits, writes: another program may have added something meanwhile.
void Snapshots::change(const std::function<void(std::vector<Snapshot>&)>& edit)
{
    if (m_file.isEmpty())
        return;
    QDir().mkpath(m_folder);
    QLockFile lock(m_file + QStringLiteral(".lock"));
    if (!lock.tryLock(kLockMs)) {
        Q_EMIT failed({ErrorCode::CannotWrite, "another program holds the snapshots, or the folder cannot be written", m_file.toStdString()});
        return;
    }
    auto snapshots = read();
    if (!snapshots.ok()) {
        Q_EMIT failed(snapshots.error());
        return;
    }
    edit(*snapshots);
    if (const Status written = writeFileAtomically(m_file.toStdString(), textOf(*snapshots)); !written.ok()) {
        Q_EMIT failed(written.error());
        return;
    }
    m_snapshots = std::move(*snapshots);
    Q_EMIT changed();
}

void Snapshots::add(const QString& name, const QString& note, const Policy& policy)
{
    // Milliseconds are what the file keeps.
    const QDateTime now = QDateTime::fromMSecsSinceEpoch(QDateTime::currentMSecsSinceEpoch(), Qt::UTC);
    change([&](std::vector<Snapshot>& all) { all.push_back({name, note, now, policy}); });
}

void Snapshots::describe(int index, const QString& name, const QString& note)
{
    const Snapshot meant = m_snapshots[size_t(index)];
    change([&](std::vector<Snapshot>& all) {
        const auto found = std::find_if(all.begin(), all.end(), [&](const Snapshot& s) { return same(s, meant); });
        if (found == all.end())
            return;
        found->name = name;
        found->note = note;
    });
}

void Snapshots::remove(int index)
{
    const Snapshot meant = m_snapshots[size_t(index)];
    change([&](std::vector<Snapshot>& all) {
        std::erase_if(all, [&](const Snapshot& s) { return same(s, meant); });
    });
}

} // namespace ql
