// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/mainwindow.h"

#include "app/compareviews.h"
#include "app/devicecontroller.h"
#include "app/exportcontroller.h"
#include "app/flowviews.h"
#include "app/helpwindow.h"
#include "app/lookcontroller.h"
#include "app/policyviews.h"
#include "app/runviews.h"
#include "app/searchviews.h"
#include "app/snapshotviews.h"
#include "core/base/format.h"
#include "widgets/models/layersmodel.h"
#include "widgets/panels/activationspage.h"
#include "widgets/panels/budgetpage.h"
#include "widgets/panels/calibratepanel.h"
#include "widgets/panels/cliptable.h"
#include "widgets/panels/commandpalette.h"
#include "widgets/panels/evaluatepage.h"
#include "widgets/panels/historypanel.h"
#include "widgets/panels/jobrow.h"
#include "widgets/panels/kvpage.h"
#include "widgets/panels/layerspanel.h"
#include "widgets/panels/mappage.h"
#include "widgets/panels/metricspanel.h"
#include "widgets/panels/modelpage.h"
#include "widgets/panels/rulespanel.h"
#include "widgets/panels/schemeeditor.h"
#include "widgets/panels/statuswidgets.h"
#include "widgets/panels/weightspage.h"
#include "widgets/panels/welcomepage.h"

#include <QApplication>
#include <QCloseEvent>
#include <QDockWidget>
#include <QDropEvent>
#include <QFileInfo>
#include <QLabel>
#include <QScrollArea>
#include <QStackedWidget>
#include <QStandardPaths>
#include <QStatusBar>
#include <QStyle>
#include <QTabWidget>
#include <QToolBar>
#include <QVBoxLayout>

namespace ql {
namespace {

constexpr int kLeftDockWidth = 379;
constexpr int kRightDockWidth = 308;

QDockWidget* dock(QMainWindow* window, Qt::DockWidgetArea area, const char* name, const QString& title, QWidget* content)
{
    auto* dock = new QDockWidget(title, window);
    dock->setObjectName(QString::fromLatin1(name));
    dock->setWidget(content);
    window->addDockWidget(area, dock);
    return dock;
}

/// Panels that may be taller than a small window scroll instead of being squeezed.
QScrollArea* scrolled(QWidget* content)
{
    auto* area = new QScrollArea;
    area->setWidget(content);
    area->setWidgetResizable(true);
    area->setFrameShape(QFrame::NoFrame);
    area->setMinimumWidth(content->minimumSizeHint().width() + area->style()->pixelMetric(QStyle::PM_ScrollBarExtent));
    area->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    return area;
}

} // namespace

MainWindow::MainWindow(std::shared_ptr<Backends> backends, std::unique_ptr<Settings> settings, const QString& journalFolder)
    : m_settings(std::move(settings)), m_jobs(new JobRunner(this)), m_session(new Session(m_jobs, this)),
      m_analyser(new Analyser(m_jobs, this)), m_layersModel(new LayersModel(this))
{
    setObjectName(QStringLiteral("mainWindow"));
    setAcceptDrops(true);
    theme::apply(*qApp, m_settings->theme());
    m_analyser->setBackend(backends->cpu(), backends->cpu());
    m_actions = new Actions(this, *m_settings);
    buildPages();
    buildDocks();
    buildToolBar();
    m_look = new LookController(m_session, m_analyser, {m_layersModel, m_layersPanel, m_weights, m_map, m_editor, m_metrics}, this);
    m_run = new RunController(m_session, m_jobs, backends->threadPool(), this);
    m_run->setBackend(backends->cpu());
    m_runViews = new RunViews(m_session, m_run, m_look,
                              {m_layersModel, m_layersPanel, m_metrics, m_calibrate, m_evaluate, m_modelPage}, this);
    m_flow = new FlowViews(m_session, m_run, m_look, {m_activations, m_cache, m_layersPanel}, this);
    m_search = new SearchController(m_session, m_run, m_jobs, this);
    m_search->setBackend(backends->cpu());
    m_searchViews = new SearchViews(m_session, m_search, m_run, {m_budget, m_evaluate, m_layersPanel}, this);
    m_compareViews = new CompareViews(m_session, m_look, m_jobs, backends->threadPool(), {m_compare, m_layersPanel}, this);
    m_compareViews->setBackend(backends->cpu());
    const QString folder = journalFolder.isEmpty()
                               ? QStandardPaths::writableLocation(QStandardPaths::AppLocalDataLocation) + QStringLiteral("/journal")
                               : journalFolder;
    m_policy = new PolicyViews(m_session, m_jobs, m_look, {m_rules, m_history, m_clips, m_bar}, folder, this);
    const auto snapshots = [this] {
        std::vector<std::pair<QString, Policy>> named;
        for (const Snapshot& snapshot : m_policy->snapshots()->all().all())
            named.emplace_back(snapshot.name, snapshot.policy);
        return named;
    };
    m_compareViews->setSnapshots(snapshots);
    connect(&m_policy->snapshots()->all(), &Snapshots::changed, this,
            [this, snapshots] { m_compareViews->setSnapshots(snapshots); });
    m_searchViews->setSnapshots(&m_policy->snapshots()->all());
    connect(m_policy->snapshots(), &SnapshotViews::comparisonWanted, this, [this](const CompareOperand& other) {
        m_compareViews->compareWith(other);
        m_tabs->setCurrentWidget(m_compare);
    });
    m_exports = new ExportController(m_session, m_jobs, backends->threadPool(), this);
    m_devices = new DeviceController(m_jobs, backends, m_chip, this);
    connect(m_devices, &DeviceController::backendChanged, this, [this, backends] {
        m_analyser->setBackend(m_devices->backend(), backends->cpu());
        m_run->setBackend(m_devices->backend());
        m_search->setBackend(m_devices->backend());
        m_compareViews->setBackend(m_devices->backend());
    });
    connect(m_devices, &DeviceController::deviceWished, this, [this](const QString& id) { m_settings->setDevice(id); });
    connectSession();
    connectFileActions();
    connectViewActions();
    connectHelpActions();

    resize(1280, 800);
    m_freshLayout = saveState();
    restoreLayout();
    updateRecent();
    modelChanged();
    m_devices->start(m_settings->device());
}

MainWindow::~MainWindow()
{
    // Views may still be told of changes while they are destroyed; nothing may listen any more.
    for (QObject* sender : std::initializer_list<QObject*>{m_session, m_session->undoStack(), m_analyser, m_look, m_run,
                                                           m_search, m_exports, m_devices, m_jobs})
        sender->disconnect();
}

void MainWindow::buildPages()
{
    m_bar = new InlineBar(this);
    m_welcome = new WelcomePage(this);
    m_weights = new WeightsPage(this);
    m_map = new MapPage(this);
    m_tabs = new QTabWidget(this);
    m_tabs->setDocumentMode(true);
    m_activations = new ActivationsPage(this);
    m_cache = new KvPage(this);
    m_compare = new ComparePage(this);
    m_modelPage = new ModelPage(m_layersModel, this);
    m_budget = new BudgetPage(this);
    m_evaluate = new EvaluatePage(this);
    m_tabs->addTab(m_weights, tr("Weights"));
    m_tabs->addTab(m_activations, tr("Activations"));
    m_tabs->addTab(m_cache, tr("KV cache"));
    m_tabs->addTab(m_map, tr("Map"));
    m_tabs->addTab(m_compare, tr("Compare"));
    m_tabs->addTab(m_modelPage, tr("Model"));
    m_tabs->addTab(m_budget, tr("Budget"));
    m_tabs->addTab(m_evaluate, tr("Evaluate"));
    m_stack = new QStackedWidget(this);
    m_stack->addWidget(m_welcome);
    m_stack->addWidget(m_tabs);
    auto* centre = new QWidget(this);
    auto* layout = new QVBoxLayout(centre);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(m_bar);
    layout->addWidget(m_stack, 1);
    centre->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Expanding); // docks keep their widths, pages take the rest
    setCentralWidget(centre);
    m_palette = new CommandPalette(this);
    m_clips = new ClipTable(this);
    m_help = new HelpWindow(this);
}

void MainWindow::buildDocks()
{
    m_layersPanel = new LayersPanel(m_layersModel, this);
    m_editor = new SchemeEditor(this);
    m_metrics = new MetricsPanel(this);
    m_rules = new RulesPanel(this);
    m_calibrate = new CalibratePanel(this);
    m_history = new HistoryPanel(m_session->undoStack(), this);

    setDockOptions(AnimatedDocks | AllowTabbedDocks | AllowNestedDocks);
    QDockWidget* layers = dock(this, Qt::LeftDockWidgetArea, "layersDock", tr("Layers"), m_layersPanel);
    QDockWidget* rules = dock(this, Qt::LeftDockWidgetArea, "rulesDock", tr("Rules"), m_rules);
    QDockWidget* undo = dock(this, Qt::LeftDockWidgetArea, "historyDock", tr("History"), m_history);
    QDockWidget* calibrate = dock(this, Qt::LeftDockWidgetArea, "calibrateDock", tr("Calibrate"), scrolled(m_calibrate));
    tabifyDockWidget(layers, rules);
    tabifyDockWidget(rules, undo);
    tabifyDockWidget(undo, calibrate);
    layers->raise();
    QDockWidget* scheme = dock(this, Qt::RightDockWidgetArea, "schemeDock", tr("Scheme"), scrolled(m_editor));
    QDockWidget* metrics = dock(this, Qt::RightDockWidgetArea, "metricsDock", tr("Metrics"), scrolled(m_metrics));
    resizeDocks({layers, scheme}, {kLeftDockWidth, kRightDockWidth}, Qt::Horizontal);
    resizeDocks({scheme, metrics}, {455, 245}, Qt::Vertical);
    for (QDockWidget* panel : {layers, rules, undo, scheme, calibrate, metrics})
        m_actions->menu("panels")->addAction(panel->toggleViewAction());
}

void MainWindow::buildToolBar()
{
    auto* bar = addToolBar(tr("Tools"));
    bar->setObjectName(QStringLiteral("toolBar"));
    bar->setMovable(false);
    bar->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    m_actions->fillToolBar(bar);
    bar->addSeparator();
    QAction* undo = m_session->undoStack()->createUndoAction(this, tr("&Undo"));
    QAction* redo = m_session->undoStack()->createRedoAction(this, tr("&Redo"));
    undo->setShortcut(QKeySequence::Undo);
    redo->setShortcuts({QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_Z), QKeySequence(Qt::CTRL | Qt::Key_Y)});
    undo->setIcon(theme::icon(QStringLiteral("undo")));
    redo->setIcon(theme::icon(QStringLiteral("redo")));
    undo->setProperty("iconName", QStringLiteral("undo"));
    redo->setProperty("iconName", QStringLiteral("redo"));
    QMenu* edit = m_actions->menu("edit");
    edit->insertActions(edit->actions().front(), {undo, redo, edit->insertSeparator(edit->actions().front())});
    // The full texts ("Undo q_proj to int8") stay in the menu; the bar must not jump with them.
    for (QAction* action : {undo, redo}) {
        bar->addAction(action);
        static_cast<QToolButton*>(bar->widgetForAction(action))->setToolButtonStyle(Qt::ToolButtonIconOnly);
    }
    bar->addSeparator();
    bar->addAction((*m_actions)["find"]);
    auto* spacer = new QWidget(this);
    spacer->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Preferred);
    bar->addWidget(spacer);
    m_chip = new DeviceChip(this);
    bar->addWidget(m_chip);

    m_totals = new QLabel(this);
    m_totals->setObjectName(QStringLiteral("totals"));
    m_totals->setContentsMargins(theme::kSpacing - 2, 0, 0, 0); // in line with the panels above
    m_jobBar = new JobBar(this);
    statusBar()->addWidget(m_totals, 1);
    statusBar()->addPermanentWidget(m_jobBar);
    statusBar()->setMinimumHeight(JobRow().sizeHint().height() + 6); // room for a job, so that nothing jumps
}

void MainWindow::connectSession()
{
    connect(m_session, &Session::modelChanged, this, &MainWindow::modelChanged);
    connect(m_session, &Session::failed, this, &MainWindow::showError);
    connect(m_session, &Session::warned, this, [this](const QString& text) {
        m_bar->showMessage(InlineBar::Level::Warning, text);
    });
    connect(m_session, &Session::policyChanged, this, &MainWindow::updateTitle);
    connect(m_policy, &PolicyViews::fileChanged, this, &MainWindow::updateTitle);
    connect(m_policy, &PolicyViews::tensorPicked, m_layersPanel, &LayersPanel::selectTensor);
    connect(m_session->undoStack(), &QUndoStack::cleanChanged, this, &MainWindow::updateTitle);
    connect(m_look, &LookController::totalsChanged, this, &MainWindow::updateTotals);
    connect(m_look, &LookController::noted, this, [this](const QString& text) {
        m_bar->showMessage(InlineBar::Level::Info, text);
    });
    connect(m_analyser, &Analyser::tensorFailed, this, [this](int, const Error& error) { showError(error); });
    connect(m_analyser, &Analyser::studyFailed, this, &MainWindow::showError);
    connect(m_run, &RunController::failed, this, &MainWindow::showError);
    connect(m_run, &RunController::calibrationChanged, this, [this] {
        m_exports->setCalibration(m_run->calibration());
        m_compareViews->setCalibration(m_run->calibration());
    });
    connect(m_compareViews, &CompareViews::failed, this, &MainWindow::showError);
    connect(m_compareViews, &CompareViews::noted, this, [this](const QString& text) {
        m_bar->showMessage(InlineBar::Level::Info, text);
    });
    connect(m_run, &RunController::noted, this, [this](const QString& text) {
        m_bar->showMessage(InlineBar::Level::Info, text);
    });
    connect(m_searchViews, &SearchViews::failed, this, &MainWindow::showError);
    connect(m_searchViews, &SearchViews::noted, this, [this](const QString& text) {
        m_bar->showMessage(InlineBar::Level::Info, text);
    });
    connect(m_runViews, &RunViews::calibratePanelWanted, this, [this] { showDock("calibrateDock"); });
    connect(m_flow, &FlowViews::calibratePanelWanted, this, [this] { showDock("calibrateDock"); });
    connect(m_flow, &FlowViews::importWanted, (*m_actions)["importCalibration"], &QAction::trigger);
    connect(m_runViews, &RunViews::evaluatePageWanted, this, [this] { m_tabs->setCurrentWidget(m_evaluate); });
    connect(m_exports, &ExportController::failed, this, &MainWindow::showError);
    connect(m_exports, &ExportController::finished, this, [this](const QString& path) {
        m_bar->showMessage(InlineBar::Level::Info, tr("Written and verified: %1").arg(path));
    });
    connect(m_jobs, &JobRunner::progressed, m_jobBar, &JobBar::setJob);
    connect(m_jobs, &JobRunner::ended, m_jobBar, &JobBar::removeJob);
    connect(m_jobBar, &JobBar::cancelRequested, m_jobs, &JobRunner::cancel);
}

void MainWindow::modelChanged()
{
    const auto& model = m_session->model();
    m_bar->hidePast(); // about the model before, or an attempt that has now succeeded
    m_stack->setCurrentWidget(model ? static_cast<QWidget*>(m_tabs) : m_welcome);
    for (const char* id : {"closeModel", "exportModel", "importRecipe", "exportRecipe", "exportMetrics", "exportReport", "exportPlot", "copyPlot", "copyScheme", "filter",
                           "modelInfo", "nextTensor", "previousTensor", "wholeTensor", "lock", "resetTensor",
                           "ruleFromSelection", "addRule", "takeSnapshot", "comparePolicy", "activationsEverywhere", "resetActivation", "compareClips", "savePolicy", "savePolicyAs", "openPolicy"})
        (*m_actions)[id]->setEnabled(model != nullptr);
    QStringList names;
    if (model) {
        for (const TensorInfo& tensor : model->tensors())
            names << QString::fromStdString(tensor.name);
        const QString path = QString::fromStdString(model->path());
        m_settings->addRecentModel(path);
        updateRecent();
        const int remembered = model->indexOf(m_settings->state("tensor").toStdString());
        const auto quantized = std::find_if(m_session->decisions().begin(), m_session->decisions().end(),
                                            [](const Decision& decision) { return !decision.asStored; });
        const auto first = quantized == m_session->decisions().end() ? m_session->decisions().begin() : quantized;
        if (!names.isEmpty())
            QMetaObject::invokeMethod(this, [this, index = remembered >= 0 ? remembered : int(first - m_session->decisions().begin())] {
                if (m_session->model())
                    m_layersPanel->selectTensor(index);
            }, Qt::QueuedConnection);
    }
    m_palette->setTensors(names);
    m_editor->setModelPath(model ? QString::fromStdString(model->path()) : QString());
    updateTitle();
    updateTotals();
}

void MainWindow::updateTotals()
{
    if (!m_session->model()) {
        m_totals->setText({});
        return;
    }
    const LayersModel::Totals totals = m_layersModel->totals();
    QString text = tr("%1 → %2   %3 bits/weight")
                       .arg(QString::fromStdString(formatBytes(totals.sourceBytes)),
                            QString::fromStdString(formatBytes(totals.storedBytes)),
                            QString::fromStdString(formatSignificant(totals.bitsPerWeight)));
    if (totals.measured > 0)
        text += tr("   SQNR %1 dB").arg(QString::fromStdString(formatSignificant(totals.sqnrDb)));
    if (totals.measured < totals.quantized)
        text += tr(" (%1 of %2 layers measured)").arg(totals.measured).arg(totals.quantized);
    m_totals->setText(text);
    m_totals->setToolTip(tr("Size of the tensors as stored, and packed under the policy (1 GB = 1e9 bytes); bits per weight "
                            "over all parameters; SQNR = 10 log10(Σx² / Σe²) over the quantized layers measured so far."));
}

void MainWindow::updateTitle()
{
    QString title = QStringLiteral("Quantloupe");
    if (m_session->model()) {
        title = QString::fromStdString(m_session->model()->displayName());
        if (!m_session->policyPath().isEmpty())
            title += QStringLiteral(" · ") + QFileInfo(m_session->policyPath()).fileName();
        title += QStringLiteral("[*] – Quantloupe");
    }
    setWindowTitle(title);
    setWindowModified(m_session->model() && !m_session->undoStack()->isClean());
}

void MainWindow::showError(const Error& error)
{
    if (error.code == ErrorCode::Cancelled) {
        m_bar->showMessage(InlineBar::Level::Info, tr("Cancelled; nothing was written."));
        return;
    }
    const std::string code(codeName(error.code));
    m_bar->showMessage(InlineBar::Level::Error, QString::fromStdString(error.text()),
                       QStringLiteral("Quantloupe " QUANTLOUPE_VERSION "\n%1\n%2").arg(
                           QString::fromStdString(code), QString::fromStdString(error.text())));
}

std::shared_ptr<Backend> MainWindow::backend() const
{
    return m_devices->backend();
}

void MainWindow::setTheme(ThemeMode mode)
{
    m_settings->setTheme(mode);
    theme::apply(*qApp, mode);
    m_actions->retint();
}

void MainWindow::restoreLayout()
{
    restoreGeometry(m_settings->state("geometry"));
    restoreState(m_settings->state("window"));
    m_layersPanel->restoreState(m_settings->state("layers"));
    m_weights->restoreState(m_settings->state("weights"));
    m_activations->restoreState(m_settings->state("activations"));
    m_cache->restoreState(m_settings->state("cache"));
    m_compare->restoreState(m_settings->state("compare"));
    m_exports->setFolder(QString::fromUtf8(m_settings->state("exportFolder")));
    (*m_actions)["readNotMap"]->setChecked(m_settings->readInsteadOfMapping());
    for (const auto& [action, page] : pages()) {
        if (m_settings->state("page") == action)
            m_tabs->setCurrentWidget(page);
    }
}

void MainWindow::saveLayout()
{
    m_settings->setState("geometry", saveGeometry());
    m_settings->setState("window", saveState());
    m_settings->setState("layers", m_layersPanel->saveState());
    m_settings->setState("weights", m_weights->saveState());
    m_settings->setState("activations", m_activations->saveState());
    m_settings->setState("cache", m_cache->saveState());
    m_settings->setState("compare", m_compare->saveState());
    m_settings->setState("exportFolder", m_exports->folder().toUtf8());
    m_settings->setReadInsteadOfMapping((*m_actions)["readNotMap"]->isChecked());
    m_actions->saveShortcuts(*m_settings);
    const auto& model = m_session->model();
    const int tensor = m_look->subject().tensor;
    m_settings->setLastModel(model ? QString::fromStdString(model->path()) : QString());
    m_settings->setState("tensor", model && tensor >= 0 ? QByteArray::fromStdString(model->tensors()[size_t(tensor)].name)
                                                        : QByteArray());
    for (const auto& [action, page] : pages()) {
        if (m_tabs->currentWidget() == page)
            m_settings->setState("page", action);
    }
    m_runViews->saveState(*m_settings);
    m_settings->sync();
}

void MainWindow::closeEvent(QCloseEvent* event)
{
    if (!m_policy->mayDiscard()) {
        event->ignore();
        return;
    }
    saveLayout();
    event->accept();
}

void MainWindow::dragEnterEvent(QDragEnterEvent* event)
{
    if (!WelcomePage::droppedPath(event->mimeData()).isEmpty())
        event->acceptProposedAction();
}

void MainWindow::dropEvent(QDropEvent* event)
{
    const QString path = WelcomePage::droppedPath(event->mimeData());
    if (path.isEmpty())
        return;
    event->acceptProposedAction();
    openPath(path);
}

void MainWindow::changeEvent(QEvent* event)
{
    if (event->type() == QEvent::PaletteChange && m_actions)
        m_actions->retint();
    QMainWindow::changeEvent(event);
}

} // namespace ql
