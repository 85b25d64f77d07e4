// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// MainWindow: composition only - builds the panels, the controllers and the actions and connects them. What a selection
// or an edit means is in LookController, the document in Session, files in ExportController.
#pragma once

#include "app/actions.h"
#include "app/analyser.h"
#include "app/backends.h"
#include "app/session.h"
#include "app/settings.h"

#include <QMainWindow>

#include <memory>

class QLabel;
class QStackedWidget;
class QTabWidget;

namespace ql {

class ActivationsPage;
class BudgetPage;
class ClipTable;
class ComparePage;
class CompareViews;
class CalibratePanel;
class CommandPalette;
class DeviceChip;
class DeviceController;
class EvaluatePage;
class ExportController;
class FlowViews;
class HelpWindow;
class HistoryPanel;
class InlineBar;
class JobBar;
class KvPage;
class LayersModel;
class LayersPanel;
class LookController;
class MapPage;
class MetricsPanel;
class ModelPage;
class PlotView;
class PolicyViews;
class RulesPanel;
class RunController;
class RunViews;
class SchemeEditor;
class SearchController;
class SearchViews;
class WeightsPage;
class WelcomePage;

class MainWindow : public QMainWindow
{
    Q_OBJECT
public:
    /// `journalFolder` empty: the user's data folder.
    MainWindow(std::shared_ptr<Backends> backends, std::unique_ptr<Settings> settings, const QString& journalFolder = {});
    ~MainWindow() override;

    void openPath(const QString& path);
    Session* session() const { return m_session; }
    JobRunner* jobs() const { return m_jobs; }
    LayersPanel* layersPanel() const { return m_layersPanel; }
    WeightsPage* weightsPage() const { return m_weights; }
    MapPage* mapPage() const { return m_map; }
    RunController* runController() const { return m_run; }
    SearchController* searchController() const { return m_search; }
    SchemeEditor* schemeEditor() const { return m_editor; }
    PolicyViews* policyViews() const { return m_policy; }
    Actions* actionTable() const { return m_actions; }
    InlineBar* inlineBar() const { return m_bar; }
    std::shared_ptr<Backend> backend() const; ///< the one that does the work now
    void setTheme(ThemeMode mode);

protected:
    void closeEvent(QCloseEvent* event) override;
    void changeEvent(QEvent* event) override;
    void dragEnterEvent(QDragEnterEvent* event) override;
    void dropEvent(QDropEvent* event) override; ///< a model may be dropped anywhere, at any time

private:
    void buildPages();
    void buildDocks();
    void buildToolBar();
    void connectSession();
    void connectFileActions();
    void connectViewActions();
    void connectPalette();
    void connectHelpActions();
    QList<std::pair<const char*, QWidget*>> pages() const; ///< by the action that shows each, in the order of the tabs
    void showDock(const char* name);
    void stepTensor(int step);
    void openBundled(bool withOutliers);
    PlotView* activePlot() const;
    void savePlot();
    void modelChanged();
    void updateTotals();
    void updateTitle();
    void updateRecent();
    void showError(const Error& error);
    void restoreLayout();
    void saveLayout();

    std::unique_ptr<Settings> m_settings;
    JobRunner* m_jobs;
    Session* m_session;
    Analyser* m_analyser;
    Actions* m_actions = nullptr;
    QStackedWidget* m_stack = nullptr;
    QTabWidget* m_tabs = nullptr;
    InlineBar* m_bar = nullptr;
    WelcomePage* m_welcome = nullptr;
    WeightsPage* m_weights = nullptr;
    ActivationsPage* m_activations = nullptr;
    KvPage* m_cache = nullptr;
    MapPage* m_map = nullptr;
    ComparePage* m_compare = nullptr;
    ModelPage* m_modelPage = nullptr;
    BudgetPage* m_budget = nullptr;
    EvaluatePage* m_evaluate = nullptr;
    CalibratePanel* m_calibrate = nullptr;
    LayersModel* m_layersModel = nullptr;
    LayersPanel* m_layersPanel = nullptr;
    SchemeEditor* m_editor = nullptr;
    MetricsPanel* m_metrics = nullptr;
    RulesPanel* m_rules = nullptr;
    HistoryPanel* m_history = nullptr;
    CommandPalette* m_palette = nullptr;
    ClipTable* m_clips = nullptr;
    JobBar* m_jobBar = nullptr;
    DeviceChip* m_chip = nullptr;
    QLabel* m_totals = nullptr;
    HelpWindow* m_help = nullptr;
    LookController* m_look = nullptr;
    RunController* m_run = nullptr;
    RunViews* m_runViews = nullptr;
    PolicyViews* m_policy = nullptr;
    FlowViews* m_flow = nullptr;
    SearchController* m_search = nullptr;
    SearchViews* m_searchViews = nullptr;
    CompareViews* m_compareViews = nullptr;
    DeviceController* m_devices = nullptr;
    ExportController* m_exports = nullptr;
    QByteArray m_freshLayout; ///< for "Reset layout"
};

} // namespace ql
