// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/snapshotviews.h"

#include "widgets/panels/historypanel.h"
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
    });
    connect(history, &HistoryPanel::snapshotWanted, this, &SnapshotViews::take);
    connect(history, &HistoryPanel::compareWanted, this, [this](int snapshot) {
        Q_EMIT comparisonWanted({CompareOperand::Kind::Snapshot, m_snapshots->all()[size_t(snapshot)].name});
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

void SnapshotViews::askAndCompare()
{
    const QString path = QFileDialog::getOpenFileName(
        m_window, tr("Compare with a policy or checkpoint"), {},
        tr("Policies and checkpoints (*.json *.safetensors *.gguf);;All files (*)"));
    if (!path.isEmpty() && m_session->model())
        Q_EMIT comparisonWanted({CompareOperand::Kind::PolicyFile, path});
}

} // namespace ql
