// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/policyviews.h"

#include "app/actions.h"
#include "app/lookcontroller.h"
#include "widgets/panels/cliptable.h"
#include "widgets/panels/historypanel.h"
#include "widgets/panels/inlinebar.h"
#include "widgets/panels/rulespanel.h"

#include <QFileDialog>
#include <QInputDialog>
#include <QMessageBox>
#include <QRegularExpression>

namespace ql {

PolicyViews::PolicyViews(Session* session, LookController* look, const Views& views, const QString& journalFolder,
                         QWidget* window)
    : QObject(window), m_session(session), m_look(look), m_views(views), m_window(window),
      m_journal(std::make_unique<Journal>(session, journalFolder))
{
    connect(session, &Session::policyChanged, this, &PolicyViews::showRules);
    connect(views.rules, &RulesPanel::rulesEdited, this, [this](const std::vector<Rule>& rules) {
        Policy policy = m_session->policy();
        policy.rules = rules;
        m_session->changePolicy(policy, tr("edit rules"));
    });
    connect(views.rules, &RulesPanel::defaultSchemeEdited, this, &PolicyViews::setDefaultScheme);
    connect(look, &LookController::clipStudyChanged, this, [this](const Shared<ClipStudy>& study) {
        m_views.clips->setStudy(m_look->caption(), study);
    });
    connect(views.clips, &ClipTable::schemeChosen, this, [this](const Scheme& scheme) {
        m_look->editScheme(scheme, EditScope::Tensor, true, SchemeField::Clip);
    });
}

void PolicyViews::connectActions(Actions& actions)
{
    const auto on = [this, &actions](const char* id, auto slot) { connect(actions[id], &QAction::triggered, this, slot); };
    on("openPolicy", [this] { open(); });
    on("savePolicy", [this] { save(false); });
    on("savePolicyAs", [this] { save(true); });
    on("lock", [this] {
        const int tensor = m_look->subject().tensor;
        if (tensor >= 0)
            m_session->setLocked(m_look->selection(), !m_session->decisions()[size_t(tensor)].locked);
    });
    on("resetTensor", [this] { m_session->clearOverrides(m_look->selection()); });
    on("ruleFromSelection", [this] { makeRuleFromSelection(); });
    on("compareClips", [this] { m_views.clips->show(); });
    constexpr std::pair<const char*, const char*> kPresets[] = {{"presetInt8", "int8,channel"},
                                                                {"presetInt4", "int4,group=128,clip=mse"},
                                                                {"presetNf4", "nf4,group=64,double"},
                                                                {"presetQ4", "q4_0"},
                                                                {"presetKeep", "f16"}};
    for (const auto& [id, text] : kPresets)
        on(id, [this, text = text] { setDefaultScheme(Scheme::parse(text).value()); });
}

void PolicyViews::open()
{
    const QString path = QFileDialog::getOpenFileName(m_window, tr("Open policy"), {}, tr("Policies (*.json);;All files (*)"));
    if (!path.isEmpty())
        m_session->loadPolicy(path);
}

void PolicyViews::save(bool ask)
{
    QString path = m_session->policyPath();
    if (ask || path.isEmpty())
        path = QFileDialog::getSaveFileName(m_window, tr("Save policy"), path.isEmpty() ? QStringLiteral("policy.json") : path,
                                            tr("Policies (*.json)"));
    if (!path.isEmpty() && m_session->savePolicy(path))
        Q_EMIT fileChanged();
}

void PolicyViews::offerLeftover()
{
    const auto leftover = m_journal->findLeftover();
    if (!leftover)
        return;
    m_views.bar->showMessage(InlineBar::Level::Warning,
                       tr("The program ended with unsaved policy edits for %1.").arg(leftover->modelPath), {},
                       tr("Restore them"));
    connect(m_views.bar, &InlineBar::actionTriggered, this, [this, leftover] {
        // The edits fit the model they were made for; they are adopted when it is open.
        connect(m_session, &Session::modelChanged, this, [this, leftover] {
            m_session->restorePolicy(leftover->policy);
            m_journal->discard(*leftover);
        }, Qt::ConnectionType(Qt::SingleShotConnection | Qt::QueuedConnection));
        m_session->openModel(leftover->modelPath);
    }, Qt::SingleShotConnection);
}

bool PolicyViews::mayDiscard()
{
    if (!m_session->model() || m_session->undoStack()->isClean())
        return true;
    const auto answer = QMessageBox::question(m_window, tr("Unsaved policy"), tr("The policy has unsaved changes."),
                                              QMessageBox::Save | QMessageBox::Discard | QMessageBox::Cancel,
                                              QMessageBox::Save);
    if (answer == QMessageBox::Save)
        save(false);
    return answer == QMessageBox::Discard || (answer == QMessageBox::Save && m_session->undoStack()->isClean());
}

void PolicyViews::showRules()
{
    const Policy& policy = m_session->policy();
    QList<int> counts(qsizetype(policy.rules.size()), 0);
    int byDefault = 0;
    for (const Decision& decision : m_session->decisions()) {
        if (decision.source == Decision::Source::Rule)
            ++counts[decision.rule];
        byDefault += decision.source == Decision::Source::Default;
    }
    m_views.rules->setRules(policy.rules, policy.defaultScheme);
    m_views.rules->setMatchCounts(counts, byDefault);
}

void PolicyViews::setDefaultScheme(const Scheme& scheme)
{
    Policy policy = m_session->policy();
    policy.defaultScheme = scheme;
    m_session->changePolicy(policy, tr("default %1").arg(QString::fromStdString(scheme.text())));
}

void PolicyViews::makeRuleFromSelection()
{
    QStringList names;
    for (const int tensor : m_look->selection())
        names << QRegularExpression::escape(QString::fromStdString(m_session->model()->tensors()[size_t(tensor)].name));
    if (names.isEmpty())
        return;
    QInputDialog dialog(m_window);
    dialog.setWindowTitle(tr("Make a rule"));
    dialog.setLabelText(tr("Names that match get %1:").arg(QString::fromStdString(m_look->currentScheme().text())));
    dialog.setTextValue(QStringLiteral("^(%1)$").arg(names.join(QLatin1Char('|'))));
    dialog.resize(520, dialog.sizeHint().height()); // names are long
    const QString pattern = dialog.exec() == QDialog::Accepted ? dialog.textValue() : QString();
    if (pattern.isEmpty())
        return;
    Rule rule;
    rule.match = pattern.toStdString();
    rule.scheme = m_look->currentScheme();
    m_session->addRule(rule);
}

} // namespace ql
