// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/snapshotviews.h"

#include "core/policy/checkpointpolicy.h"
#include "widgets/panels/historypanel.h"
#include "widgets/panels/policydiffdialog.h"
#include "widgets/panels/snapshotdialog.h"

#include <QFileDialog>
#include <QFileInfo>
#include <QLocale>
#include <QMessageBox>

namespace ql {

SnapshotViews::SnapshotViews(Session* session, HistoryPanel* history, const QString& folder, QWidget* window)
    : QObject(window), m_session(session), m_history(history), m_window(window), m_snapshots(new Snapshots(folder, this))
{
    connect(m_snapshots, &Snapshots::changed, this, &SnapshotViews::showList);
    connect(m_snapshots, &Snapshots::failed, this, &SnapshotViews::failed);
    connect(session, &Session::modelChanged, this, [this] {
        m_history->setSnapshotsPossible(m_session->model() != nullptr);
        m_snapshots->setModel(m_session->model() ? m_session->model()->fingerprint() : std::string());
        if (m_dialog)
            m_dialog->close();
    });
    connect(session, &Session::policyChanged, this, &SnapshotViews::showDifference);
    connect(history, &HistoryPanel::snapshotWanted, this, &SnapshotViews::take);
    connect(history, &HistoryPanel::compareWanted, this, [this](int snapshot) {
        const Snapshot& meant = m_snapshots->all()[size_t(snapshot)];
        compare(meant.name, meant.policy);
    });
    connect(history, &HistoryPanel::restoreWanted, this, &SnapshotViews::restore);
    connect(history, &HistoryPanel::describeWanted, this, &SnapshotViews::describe);
    connect(history, &HistoryPanel::removeWanted, this, &SnapshotViews::remove);
    m_history->setSnapshotsPossible(false);
}

void SnapshotViews::showList()
{
    QList<HistoryPanel::Entry> entries;
    for (const Snapshot& snapshot : m_snapshots->all())
        entries << HistoryPanel::Entry{snapshot.name, snapshot.note,
                                       QLocale().toString(snapshot.time.toLocalTime(), QLocale::ShortFormat)};
    m_history->setSnapshots(entries);
}

void SnapshotViews::take()
{
    if (!m_session->model())
        return;
    QString name = QString::fromStdString(m_session->policy().name);
    if (name.isEmpty() || !m_session->policyPath().isEmpty())
        name = m_session->policyPath().isEmpty() ? tr("Snapshot %1").arg(m_snapshots->all().size() + 1)
                                                 : QFileInfo(m_session->policyPath()).completeBaseName();
    SnapshotDialog dialog(tr("Take a snapshot"), name, {}, m_window);
    if (dialog.exec() == QDialog::Accepted)
        m_snapshots->add(dialog.name(), dialog.note(), m_session->policy());
}

void SnapshotViews::restore(int snapshot)
{
    const Snapshot& meant = m_snapshots->all()[size_t(snapshot)];
    m_session->changePolicy(meant.policy, tr("restore “%1”").arg(meant.name));
}

void SnapshotViews::describe(int snapshot)
{
    const Snapshot meant = m_snapshots->all()[size_t(snapshot)];
    SnapshotDialog dialog(tr("Snapshot"), meant.name, meant.note, m_window);
    if (dialog.exec() == QDialog::Accepted)
        m_snapshots->describe(snapshot, dialog.name(), dialog.note());
}

void SnapshotViews::remove(int snapshot)
{
    const QString name = m_snapshots->all()[size_t(snapshot)].name;
    if (QMessageBox::question(m_window, tr("Remove the snapshot"), tr("Remove the snapshot “%1”? This cannot be undone.").arg(name)) ==
        QMessageBox::Yes)
        m_snapshots->remove(snapshot);
}

void SnapshotViews::compare(const QString& name, const Policy& other)
{
    if (!m_session->model())
        return;
    m_otherName = name;
    m_other = other;
    if (!m_dialog) {
        m_dialog = new PolicyDiffDialog(m_window);
        m_dialog->setAttribute(Qt::WA_DeleteOnClose);
        connect(m_dialog, &PolicyDiffDialog::changesWanted, this, &SnapshotViews::takeOver);
        connect(m_dialog, &PolicyDiffDialog::wholeWanted, this,
                [this] { m_session->changePolicy(m_other, tr("take over “%1”").arg(m_otherName)); });
        connect(m_dialog, &PolicyDiffDialog::tensorPicked, this, &SnapshotViews::tensorPicked);
    }
    showDifference();
    if (m_dialog) {
        m_dialog->show();
        m_dialog->raise();
    }
}

void SnapshotViews::askAndCompare()
{
    const QString path = QFileDialog::getOpenFileName(
        m_window, tr("Compare with a policy or checkpoint"), {},
        tr("Policies and checkpoints (*.json *.safetensors *.gguf);;All files (*)"));
    if (path.isEmpty() || !m_session->model())
        return;
    const bool isPolicy = path.endsWith(QLatin1String(".json")) && !path.endsWith(QLatin1String(".index.json"));
    Result<Policy> other = isPolicy ? Policy::load(path.toStdString()) : [&]() -> Result<Policy> {
        QL_TRY(const std::shared_ptr<const Model> checkpoint, Model::open(path.toStdString()));
        return policyOfCheckpoint(*checkpoint);
    }();
    if (other.ok())
        compare(QFileInfo(path).fileName(), *other);
    else
        Q_EMIT failed(other.error());
}

void SnapshotViews::showDifference()
{
    if (!m_dialog || !m_session->model())
        return;
    auto diff = diffPolicies(*m_session->model(), m_session->policy(), m_other);
    if (!diff.ok()) {
        m_dialog->close();
        Q_EMIT failed(diff.error());
        return;
    }
    m_diff = std::move(*diff);
    m_dialog->setDiff(m_otherName, m_session->model(), m_diff);
}

void SnapshotViews::takeOver(const QList<int>& changes)
{
    Policy policy = m_session->policy();
    for (const int change : changes) {
        auto changed = withChange(policy, *m_session->model(), m_diff.changes[size_t(change)]);
        if (!changed.ok()) {
            Q_EMIT failed(changed.error());
            return;
        }
        policy = std::move(*changed);
    }
    m_session->changePolicy(policy, tr("take over %n change(s) from “%1”", nullptr, int(changes.size())).arg(m_otherName));
}

} // namespace ql
