// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/policyviews.h"

#include "app/actions.h"
#include "app/lookcontroller.h"
#include "app/recipedialog.h"
#include "app/recipeimport.h"
#include "app/snapshotviews.h"
#include "core/base/format.h"
#include "core/policy/policydiff.h"
#include "core/policy/presets.h"
#include "core/policy/ruleproposal.h"
#include "widgets/models/coretext.h"
#include "widgets/panels/cliptable.h"
#include "widgets/panels/historypanel.h"
#include "widgets/panels/inlinebar.h"
#include "widgets/panels/ruledialog.h"
#include "widgets/panels/rulespanel.h"

#include <QFileDialog>
#include <QMenu>
#include <QMessageBox>

#include <algorithm>

namespace ql {

PolicyViews::PolicyViews(Session* session, JobRunner* jobs, LookController* look, const Views& views,
                         const QString& dataFolder, QWidget* window)
    : QObject(window), m_session(session), m_jobs(jobs), m_look(look), m_views(views), m_window(window),
      m_journal(std::make_unique<Journal>(session, dataFolder)),
      m_snapshots(new SnapshotViews(session, views.history, dataFolder + QStringLiteral("/snapshots"), window))
{
    connect(session, &Session::policyChanged, this, &PolicyViews::showRules);
    connectRules();
    connect(m_snapshots, &SnapshotViews::failed, session, &Session::failed);
    connect(look, &LookController::clipStudyChanged, this, [this](const Shared<ClipStudy>& study) {
        m_views.clips->setStudy(m_look->caption(), study);
    });
    connect(views.clips, &ClipTable::schemeChosen, this, [this](const Scheme& scheme) {
        m_look->editScheme(scheme, EditScope::Tensor, true, SchemeField::Clip);
    });
}

void PolicyViews::connectRules()
{
    connect(m_session, &Session::modelChanged, this, [this] { m_views.rules->setModel(m_session->model()); });
    connect(m_views.rules, &RulesPanel::rulesEdited, this, [this](const std::vector<Rule>& rules) {
        Policy policy = m_session->policy();
        policy.rules = rules;
        m_session->changePolicy(policy, tr("edit rules"));
    });
    connect(m_views.rules, &RulesPanel::defaultSchemeEdited, this, [this](const Scheme& scheme) {
        Policy policy = m_session->policy();
        policy.defaultScheme = scheme;
        m_session->changePolicy(policy, tr("default %1").arg(QString::fromStdString(scheme.text())));
    });
    connect(m_views.rules, &RulesPanel::shareToggled, this, [this](bool share) {
        Policy policy = m_session->policy();
        policy.share = share;
        m_session->changePolicy(policy, share ? tr("share schemes") : tr("schemes no longer shared"));
    });
    connect(m_views.rules, &RulesPanel::tensorPicked, this, &PolicyViews::tensorPicked);
}

void PolicyViews::connectActions(Actions& actions)
{
    const auto on = [this, &actions](const char* id, auto slot) { connect(actions[id], &QAction::triggered, this, slot); };
    on("openPolicy", [this] { open(); });
    on("savePolicy", [this] { save(false); });
    on("savePolicyAs", [this] { save(true); });
    on("importRecipe", [this] {
        if (!m_session->model())
            return;
        RecipeImport dialog(m_session->model(), m_session->policy(), m_window);
        if (dialog.exec() == QDialog::Accepted && dialog.policy())
            m_session->changePolicy(*dialog.policy(), tr("import %1").arg(dialog.name()));
    });
    on("exportRecipe", [this] {
        if (m_session->model())
            RecipeDialog(m_session->model(), m_session->policy(), m_window).exec();
    });
    on("lock", [this] {
        const int tensor = m_look->subject().tensor;
        if (tensor >= 0)
            m_session->setLocked(m_look->selection(), !m_session->decisions()[size_t(tensor)].locked);
    });
    on("resetTensor", [this] { m_session->clearOverrides(m_look->selection()); });
    on("ruleFromSelection", [this] { makeRuleFromSelection(); });
    m_views.rules->setSelectionAction(actions["ruleFromSelection"]);
    on("addRule", [this] { m_views.rules->addRule(); });
    on("editRule", [this] { m_views.rules->editRule(); });
    on("removeRule", [this] { m_views.rules->removeRule(); });
    on("ruleEarlier", [this] { m_views.rules->moveRule(-1); });
    on("ruleLater", [this] { m_views.rules->moveRule(1); });
    const auto follow = [this, &actions] {
        const int rule = m_views.rules->selectedRule(), count = int(m_session->policy().rules.size());
        for (const char* id : {"editRule", "removeRule"})
            actions[id]->setEnabled(rule >= 0);
        actions["ruleEarlier"]->setEnabled(rule > 0);
        actions["ruleLater"]->setEnabled(rule >= 0 && rule + 1 < count);
    };
    connect(m_views.rules, &RulesPanel::ruleSelected, this, follow);
    follow();
    on("compareClips", [this] { m_views.clips->show(); });
    on("takeSnapshot", [this] { m_snapshots->take(); });
    on("comparePolicy", [this] { m_snapshots->askAndCompare(); });
    connectPresets(actions);
}

void PolicyViews::connectPresets(Actions& actions)
{
    QMenu* menu = actions.menu("presets");
    m_views.rules->setPresetMenu(menu);
    for (const Preset& preset : presets()) {
        QAction* action = actions[Actions::presetId(preset).constData()];
        const QString label = fromStd(preset.label);
        connect(action, &QAction::triggered, this, [this, id = preset.id, label] {
            const auto policy = applyPreset(id, *m_session->model(), m_session->policy());
            if (policy.ok())
                m_session->changePolicy(*policy, tr("preset %1").arg(label));
            else
                Q_EMIT m_session->failed(policy.error());
        });
    }
    const auto enable = [this, menu] { menu->setEnabled(m_session->model() != nullptr); };
    connect(m_session, &Session::modelChanged, this, enable);
    enable();
    connect(menu, &QMenu::aboutToShow, this, &PolicyViews::showPresetSizes);
}

/// What the model would weigh, where that is quick to say, beside each preset.
void PolicyViews::showPresetSizes()
{
    constexpr size_t kMostTensors = 3000;
    const auto& model = m_session->model();
    for (const Preset& preset : presets()) {
        auto* action = m_window->findChild<QAction*>(QString::fromLatin1(Actions::presetId(preset)), Qt::FindDirectChildrenOnly);
        const QString label = fromStd(preset.label);
        const auto policy = model && model->tensors().size() <= kMostTensors ? applyPreset(preset.id, *model, m_session->policy())
                                                                             : Result<Policy>(Error{});
        const auto decisions = policy.ok() ? policy->resolve(*model) : Result<std::vector<Decision>>(Error{});
        uint64_t bytes = 0;
        for (size_t i = 0; decisions.ok() && i < decisions->size(); ++i)
            bytes += decidedBytes(model->tensors()[i], (*decisions)[i]);
        const QString weight = preset.section == "KV cache" ? tr("cache only")
                               : bytes > 0                  ? QString::fromStdString(formatBytes(bytes))
                                                            : QString();
        action->setText(weight.isEmpty() ? label : label + QLatin1Char('\t') + weight);
    }
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
    m_views.rules->setRules(policy.rules, policy.defaultScheme, policy.share);
    showInsight();
}

/// Matching every rule with every tensor may take long in models of many thousand tensors, so a job does it.
void PolicyViews::showInsight()
{
    if (!m_session->model()) {
        m_jobs->cancelKey(QStringLiteral("insight"));
        m_views.rules->setInsight({}, {});
        return;
    }
    m_jobs->start<Insight>(
        JobRunner::Lane::Interactive, QStringLiteral("insight"), tr("matching rules"),
        [model = m_session->model(), policy = m_session->policy()](const JobControl&) -> Result<Insight> {
            QL_TRY(std::vector<RuleUse> uses, ruleUses(policy, *model));
            return Insight{std::move(uses), validate(policy, *model)};
        },
        [this](Result<Insight> insight) {
            if (insight.ok())
                m_views.rules->setInsight(std::move(insight->uses), insight->findings, m_session->decisions());
        });
}

void PolicyViews::makeRuleFromSelection()
{
    const QList<int>& selection = m_look->selection();
    if (selection.isEmpty() || !m_session->model())
        return;
    Rule proposed = ruleFor(*m_session->model(), {selection.begin(), selection.end()});
    proposed.scheme = m_look->currentScheme();
    RuleDialog dialog(proposed, m_session->model(), m_window);
    if (dialog.exec() == QDialog::Accepted)
        m_session->addRule(dialog.rule());
}

} // namespace ql
