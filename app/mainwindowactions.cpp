// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// MainWindow's other half: what each action does.
#include "app/mainwindow.h"

#include "app/compareviews.h"
#include "app/devicecontroller.h"
#include "app/exportcontroller.h"
#include "app/flowviews.h"
#include "app/helpwindow.h"
#include "app/lookcontroller.h"
#include "app/policyviews.h"
#include "app/resources.h"
#include "app/runviews.h"
#include "app/searchviews.h"
#include "core/base/format.h"
#include "widgets/models/coretext.h"
#include "widgets/models/layersmodel.h"
#include "widgets/models/rulesmodel.h"
#include "widgets/panels/activationspage.h"
#include "widgets/panels/budgetpage.h"
#include "widgets/panels/calibratepanel.h"
#include "widgets/panels/commandpalette.h"
#include "widgets/panels/evaluatepage.h"
#include "widgets/panels/historypanel.h"
#include "widgets/panels/kvpage.h"
#include "widgets/panels/layerspanel.h"
#include "widgets/panels/mappage.h"
#include "widgets/panels/modelpage.h"
#include "widgets/panels/rulespanel.h"
#include "widgets/panels/schemeeditor.h"
#include "widgets/panels/shortcuteditor.h"
#include "widgets/panels/statuswidgets.h"
#include "widgets/panels/weightspage.h"
#include "widgets/panels/welcomepage.h"
#include "widgets/plots/plotview.h"

#include <QApplication>
#include <QClipboard>
#include <QDockWidget>
#include <QFileDialog>
#include <QFileInfo>
#include <QMessageBox>
#include <QStackedWidget>
#include <QTabWidget>

namespace ql {

void MainWindow::openBundled(bool withOutliers)
{
    const auto path = resourcePath(withOutliers ? "models/loupe-3m-outliers" : "models/loupe-3m");
    if (path.ok())
        openPath(QString::fromStdString(*path));
    else
        showError(path.error());
}

void MainWindow::openPath(const QString& path)
{
    if (!m_policy->mayDiscard())
        return;
    const bool read = (*m_actions)["readNotMap"]->isChecked();
    m_session->openModel(path, read ? FileAccess::Read : FileAccess::Map);
}

void MainWindow::updateRecent()
{
    const QStringList recent = m_settings->recentModels();
    m_welcome->setRecentModels(recent);
    QMenu* menu = m_actions->menu("recent");
    menu->clear();
    for (const QString& path : recent) {
        QAction* action = menu->addAction(path, this, [this, path] { openPath(path); });
        action->setEnabled(QFileInfo::exists(path));
    }
    menu->setEnabled(!recent.isEmpty());
}

void MainWindow::connectFileActions()
{
    const auto on = [this](const char* id, auto slot) { connect((*m_actions)[id], &QAction::triggered, this, slot); };
    const auto openFile = [this] {
        const QString path = QFileDialog::getOpenFileName(
            this, tr("Open model"), {},
            tr("Models (*.safetensors *.gguf *.npy *.npz *.safetensors.index.json);;All files (*)"));
        if (!path.isEmpty())
            openPath(path);
    };
    const auto openFolder = [this] {
        const QString path = QFileDialog::getExistingDirectory(this, tr("Open model folder"));
        if (!path.isEmpty())
            openPath(path);
    };
    on("openFile", openFile);
    on("openFolder", openFolder);
    on("openBundled", [this] { openBundled(false); });
    on("openOutliers", [this] { openBundled(true); });
    on("closeModel", [this] {
        if (m_policy->mayDiscard())
            m_session->closeModel();
    });
    on("exportModel", [this] { m_exports->askAndExportModel(m_devices->backend()); });
    on("exportMetrics", [this] { m_exports->askAndExportMetrics(m_devices->backend()); });
    on("exportReport", [this] {
        m_exports->askAndReport(m_devices->backend(), m_runViews->evaluation(), m_runViews->attribution());
    });
    on("exportPlot", [this] { savePlot(); });
    on("quit", [this] { close(); });

    connect(m_welcome, &WelcomePage::openFileRequested, this, openFile);
    connect(m_welcome, &WelcomePage::openFolderRequested, this, openFolder);
    connect(m_welcome, &WelcomePage::openPathRequested, this, &MainWindow::openPath);
    connect(m_welcome, &WelcomePage::openBundledRequested, this, &MainWindow::openBundled);
    connect(m_welcome, &WelcomePage::taskRequested, this, [this](WelcomePage::Task task) {
        openBundled(false);
        m_tabs->setCurrentWidget(m_weights);
        m_weights->setSecondPlot(task == WelcomePage::Task::CompareInt4WithNf4 ? SecondPlot::Formats : SecondPlot::ClipSweep);
        m_help->showTopic(task == WelcomePage::Task::SeeALayer            ? QStringLiteral("weights")
                          : task == WelcomePage::Task::CompareInt4WithNf4 ? QStringLiteral("formats")
                                                                          : QStringLiteral("policy"));
    });
}

/// The plot that has the focus, else the first of the page.
PlotView* MainWindow::activePlot() const
{
    const auto plots = m_tabs->currentWidget()->findChildren<PlotView*>();
    for (PlotView* plot : plots) {
        if (plot->isVisible() && (plot->hasFocus() || plot->isAncestorOf(QApplication::focusWidget())))
            return plot;
    }
    return plots.front();
}

void MainWindow::savePlot()
{
    const QString path = QFileDialog::getSaveFileName(this, tr("Save the plot"), QStringLiteral("plot.svg"),
                                                      tr("SVG (*.svg);;PNG (*.png);;Data (*.csv)"));
    if (path.isEmpty())
        return;
    PlotView* plot = activePlot();
    const Status saved = path.endsWith(QLatin1String(".csv")) ? plot->saveCsv(path) : plot->savePicture(path);
    if (!saved.ok())
        showError(saved.error());
}

void MainWindow::connectViewActions()
{
    const auto on = [this](const char* id, auto slot) { connect((*m_actions)[id], &QAction::triggered, this, slot); };
    for (const auto& [id, page] : pages())
        on(id, [this, page = page] { m_tabs->setCurrentWidget(page); });
    (*m_actions)["weightsPage"]->setChecked(true);
    connect(m_tabs, &QTabWidget::currentChanged, this, [this] {
        for (const auto& [id, page] : pages()) {
            if (m_tabs->currentWidget() == page)
                (*m_actions)[id]->setChecked(true);
        }
        m_look->setMapVisible(m_tabs->currentWidget() == m_map);
        m_flow->setActivationsVisible(m_tabs->currentWidget() == m_activations);
        m_searchViews->setVisible(m_tabs->currentWidget() == m_budget);
        m_compareViews->setVisible(m_tabs->currentWidget() == m_compare);
        (*m_actions)["compareSwap"]->setEnabled(m_tabs->currentWidget() == m_compare);
    });
    m_runViews->connectActions(*m_actions, *m_settings);
    on("compareSwap", [this] { m_compare->swap(); });
    (*m_actions)["compareSwap"]->setEnabled(false);
    m_policy->connectActions(*m_actions);
    on("activationsEverywhere", [this] { m_flow->useActivationsEverywhere(); });
    on("resetActivation", [this] { m_flow->resetActivation(); });

    constexpr std::pair<const char*, SecondPlot> kSecond[] = {
        {"secondSweep", SecondPlot::ClipSweep}, {"secondError", SecondPlot::Error},
        {"secondOccupancy", SecondPlot::Occupancy}, {"secondFormats", SecondPlot::Formats},
        {"secondChannels", SecondPlot::Channels}};
    for (const auto& [id, plot] : kSecond) {
        on(id, [this, plot = plot] { m_weights->setSecondPlot(plot); });
        (*m_actions)[id]->setChecked(m_weights->secondPlot() == plot);
        connect(m_weights, &WeightsPage::secondPlotChanged, (*m_actions)[id],
                [action = (*m_actions)[id], plot = plot](SecondPlot shown) {
                    if (shown == plot)
                        action->setChecked(true);
                });
    }

    constexpr std::pair<const char*, ThemeMode> kThemes[] = {
        {"themeSystem", ThemeMode::System}, {"themeLight", ThemeMode::Light}, {"themeDark", ThemeMode::Dark}};
    for (const auto& [id, mode] : kThemes) {
        on(id, [this, mode = mode] { setTheme(mode); });
        (*m_actions)[id]->setChecked(m_settings->theme() == mode);
    }
    on("resetLayout", [this] { restoreState(m_freshLayout); });
    on("filter", [this] { m_layersPanel->focusFilter(); });
    connectPalette();
    on("copyPlot", [this] { activePlot()->copyPicture(); });
    on("copyScheme", [this] { QApplication::clipboard()->setText(QString::fromStdString(m_look->currentScheme().text())); });
    on("nextTensor", [this] { stepTensor(1); });
    on("previousTensor", [this] { stepTensor(-1); });
    on("wholeTensor", [this] { Q_EMIT m_weights->channelPicked(-1); });
}

/// Ctrl+K: actions, tensors, rules and help in one list.
void MainWindow::connectPalette()
{
    connect((*m_actions)["find"], &QAction::triggered, this, [this] {
        m_palette->setActions(findChildren<QAction*>(Qt::FindDirectChildrenOnly));
        QStringList rules;
        for (const Rule& rule : m_session->policy().rules)
            rules << tr("Rule %1: %2 → %3").arg(rules.size() + 1).arg(RulesModel::appliesTo(rule), fromStd(rule.scheme.text()));
        m_palette->setRules(rules);
        m_palette->popup();
    });
    connect(m_palette, &CommandPalette::tensorChosen, m_layersPanel, &LayersPanel::selectTensor);
    m_palette->setHelpTopics(HelpWindow::titles());
    connect(m_palette, &CommandPalette::helpTopicChosen, this, [this](int topic) { m_help->showTopic(HelpWindow::topics()[topic]); });
    connect(m_palette, &CommandPalette::ruleChosen, this, [this](int rule) {
        showDock("rulesDock");
        m_rules->selectRule(rule);
    });
}

QList<std::pair<const char*, QWidget*>> MainWindow::pages() const
{
    return {{"weightsPage", m_weights}, {"activationsPage", m_activations}, {"kvPage", m_cache}, {"mapPage", m_map},
            {"comparePage", m_compare}, {"modelPage", m_modelPage}, {"budgetPage", m_budget},
            {"evaluatePage", m_evaluate}};
}

void MainWindow::showDock(const char* name)
{
    auto* dock = findChild<QDockWidget*>(QString::fromLatin1(name));
    dock->show();
    dock->raise();
}

void MainWindow::stepTensor(int step)
{
    const int tensor = m_layersPanel->currentTensor() + step;
    if (m_session->model() && tensor >= 0 && tensor < int(m_session->model()->tensors().size()))
        m_layersPanel->selectTensor(tensor);
}

void MainWindow::connectHelpActions()
{
    const auto on = [this](const char* id, auto slot) { connect((*m_actions)[id], &QAction::triggered, this, slot); };
    on("help", [this] {
        const QWidget* focus = QApplication::focusWidget();
        const auto inside = [&](const QWidget* part) { return focus && part->isAncestorOf(focus); };
        m_help->showTopic(inside(m_layersPanel)                       ? QStringLiteral("layers")
                          : inside(m_rules) || inside(m_history)      ? QStringLiteral("policy")
                          : inside(m_editor)                          ? QStringLiteral("scheme")
                          : inside(m_calibrate)                       ? QStringLiteral("calibrate")
                          : m_stack->currentWidget() == m_welcome     ? QStringLiteral("start")
                          : m_tabs->currentWidget() == m_activations  ? QStringLiteral("activations")
                          : m_tabs->currentWidget() == m_cache        ? QStringLiteral("cache")
                          : m_tabs->currentWidget() == m_map          ? QStringLiteral("map")
                          : m_tabs->currentWidget() == m_compare      ? QStringLiteral("compare")
                          : m_tabs->currentWidget() == m_modelPage    ? QStringLiteral("model")
                          : m_tabs->currentWidget() == m_budget       ? QStringLiteral("budget")
                          : m_tabs->currentWidget() == m_evaluate     ? QStringLiteral("evaluate")
                                                                      : QStringLiteral("weights"));
    });
    on("about", [this] {
        QMessageBox::about(this, tr("About Quantloupe"),
                           tr("<b>Quantloupe %1</b><p>See what quantization does to a language model, and decide layer by "
                              "layer.</p><p>GPL-3.0-or-later. Uses Qt, QCustomPlot, Eigen and OpenCL.</p>")
                               .arg(QStringLiteral(QUANTLOUPE_VERSION)));
    });
    on("devices", [this] { m_chip->showMenu(); });
    on("shortcuts", [this] {
        auto* editor = new ShortcutEditor(m_actions->all(), this);
        editor->setAttribute(Qt::WA_DeleteOnClose);
        connect(editor, &QDialog::accepted, this, [this] { m_actions->saveShortcuts(*m_settings); });
        editor->open();
    });
    on("modelInfo", [this] {
        const Model& model = *m_session->model();
        QString text = tr("<b>%1</b><br>%2, architecture %3<br>%4 parameters in %5 tensors, %6<br>fingerprint %7<table>")
                           .arg(QString::fromStdString(model.displayName()).toHtmlEscaped(),
                                fromStd(formatName(model.format())),
                                QString::fromStdString(model.architecture()).toHtmlEscaped(),
                                QString::fromStdString(formatCount(model.parameters())))
                           .arg(model.tensors().size())
                           .arg(QString::fromStdString(formatBytes(model.bytes())), QString::fromStdString(model.fingerprint()));
        for (const auto& [key, value] : model.metadata())
            text += QStringLiteral("<tr><td>%1&nbsp;</td><td>%2</td></tr>")
                        .arg(QString::fromStdString(key).toHtmlEscaped(), QString::fromStdString(value).left(200).toHtmlEscaped());
        m_help->showText(tr("Model facts"), text + QStringLiteral("</table>"));
    });
}

} // namespace ql
