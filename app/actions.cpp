// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/actions.h"

#include "core/policy/presets.h"
#include "widgets/models/coretext.h"
#include "widgets/panels/commandpalette.h"
#include "widgets/panels/shortcuteditor.h"

#include <QActionGroup>
#include <QMainWindow>
#include <QMenuBar>
#include <QToolBar>

namespace ql {
namespace {

struct Row {
    const char* menu;
    const char* id; ///< null: separator
    const char* text;
    const char* shortcut = "";
    const char* icon = "";
    const char* group = ""; ///< exclusive, checkable; "toggle": checkable alone
};

#define T(text) QT_TRANSLATE_NOOP("ql::Actions", text)

constexpr Row kRows[] = {
    {"file", "openFile", T("&Open model…"), "Ctrl+O", "open"},
    {"file", "openFolder", T("Open model &folder…"), "Ctrl+Shift+O"},
    {"file", "openBundled", T("Open the &bundled model"), "Ctrl+B"},
    {"file", "openOutliers", T("Open the bundled model with planted o&utliers")},
    {"file", "readNotMap", T("&Read files instead of mapping them"), "", "", "toggle"},
    {"file", "closeModel", T("&Close model"), "Ctrl+W"},
    {"file", nullptr, nullptr},
    {"file", "openPolicy", T("Open po&licy…"), "Ctrl+Alt+O"},
    {"file", "savePolicy", T("&Save policy"), "Ctrl+S"},
    {"file", "savePolicyAs", T("Save policy &as…"), "Ctrl+Shift+S"},
    {"file", nullptr, nullptr},
    {"file", "exportModel", T("&Export checkpoint…"), "Ctrl+Shift+E", "export"},
    {"file", "exportMetrics", T("Export &metrics…")},
    {"file", "exportReport", T("&Report…"), "Ctrl+Shift+P", "document"},
    {"file", "exportPlot", T("Save the &plot…"), "Ctrl+Alt+S"},
    {"file", nullptr, nullptr},
    {"file", "quit", T("&Quit"), "Ctrl+Q"},
    {"edit", "copyScheme", T("&Copy scheme text"), "Ctrl+Shift+C", "copy"},
    {"edit", "copyPlot", T("Copy the p&lot"), "Ctrl+Alt+C"},
    {"edit", nullptr, nullptr},
    {"edit", "find", T("&Find anything…"), "Ctrl+K", "find"},
    {"edit", "filter", T("Filter &layers"), "Ctrl+F"},
    {"view", "weightsPage", T("&Weights"), "Alt+1", "chart", "page"},
    {"view", "activationsPage", T("&Activations"), "Alt+2", "wave", "page"},
    {"view", "kvPage", T("&KV cache"), "Alt+3", "table", "page"},
    {"view", "mapPage", T("&Map"), "Alt+4", "map", "page"},
    {"view", "comparePage", T("C&ompare"), "Alt+5", "compare", "page"},
    {"view", "modelPage", T("Mo&del"), "Alt+6", "model", "page"},
    {"view", "budgetPage", T("&Budget"), "Alt+7", "curve", "page"},
    {"view", "evaluatePage", T("&Evaluate"), "Alt+8", "flask", "page"},
    {"view", nullptr, nullptr},
    {"view", "compareSwap", T("Swap &A and B"), "X", "swap"},
    {"view", nullptr, nullptr},
    {"second", "secondSweep", T("Clip &sweep"), "Ctrl+1", "", "second"},
    {"second", "secondError", T("&Error"), "Ctrl+2", "", "second"},
    {"second", "secondOccupancy", T("&Occupancy"), "Ctrl+3", "", "second"},
    {"second", "secondFormats", T("&Formats"), "Ctrl+4", "", "second"},
    {"second", "secondChannels", T("&Channels"), "Ctrl+5", "", "second"},
    {"theme", "themeSystem", T("&System"), "", "", "theme"},
    {"theme", "themeLight", T("&Light"), "", "", "theme"},
    {"theme", "themeDark", T("&Dark"), "", "", "theme"},
    {"panels", "resetLayout", T("&Reset layout")},
    {"model", "modelInfo", T("Model &facts"), "Ctrl+I"},
    {"model", nullptr, nullptr},
    {"model", "calibrate", T("&Calibrate…"), "F6", "flask"},
    {"model", "importCalibration", T("&Import calibration…"), "Ctrl+Alt+I", "open"},
    {"model", "saveCalibration", T("&Save calibration…"), "", "save"},
    {"model", "discardCalibration", T("&Discard the calibration")},
    {"model", "evaluate", T("&Evaluate"), "F5", "run"},
    {"model", "attribute", T("&Attribute the divergence to layers"), "Shift+F5"},
    {"model", nullptr, nullptr},
    {"model", "nextTensor", T("&Next tensor"), "Alt+Down"},
    {"model", "previousTensor", T("&Previous tensor"), "Alt+Up"},
    {"model", "wholeTensor", T("Whole &tensor (leave the channel)"), "Alt+0"},
    {"policy", nullptr, nullptr},
    {"policy", "lock", T("&Lock or unlock the selection"), "Ctrl+L", "lock"},
    {"policy", "resetTensor", T("&Reset the selection to its rule"), "Ctrl+R", "reset"},
    {"policy", nullptr, nullptr},
    {"policy", "ruleFromSelection", T("Make a r&ule from the selection…"), "Ctrl+Shift+R", "rule"},
    {"policy", "addRule", T("A&dd a rule…"), "Ctrl+Shift+A", "add"},
    {"policy", "editRule", T("Edit the rule…"), "", "settings"},
    {"policy", "removeRule", T("Remove the rule"), "", "remove"},
    {"policy", "ruleEarlier", T("Move the rule up"), "Ctrl+Alt+Up", "up"},
    {"policy", "ruleLater", T("Move the rule down"), "Ctrl+Alt+Down", "down"},
    {"policy", nullptr, nullptr},
    {"policy", "activationsEverywhere", T("Use this &activation scheme for every input")},
    {"policy", "resetActivation", T("Reset this &input to the default")},
    {"policy", "compareClips", T("&Compare clip methods…"), "Ctrl+M"},
    {"policy", nullptr, nullptr},
    {"policy", "takeSnapshot", T("Take a &snapshot…"), "Ctrl+Alt+N", "history"},
    {"policy", "comparePolicy", T("Compare with a &policy or checkpoint…"), "Ctrl+Alt+D", "compare"},
    {"policy", nullptr, nullptr},
    {"policy", "importRecipe", T("I&mport recipe…"), "", "open"},
    {"policy", "exportRecipe", T("&Export recipe…"), "", "export"},
    {"tools", "devices", T("&Devices…"), "Ctrl+D", "device"},
    {"tools", "shortcuts", T("&Shortcuts…")},
    {"help", "help", T("&Help"), "F1"},
    {"help", "about", T("&About Quantloupe")},
};

struct MenuRow {
    const char* id;
    const char* parent; ///< empty: in the menu bar
    const char* text;
};
constexpr MenuRow kMenus[] = {
    {"file", "", T("&File")},         {"recent", "file", T("Recent &models")}, {"edit", "", T("&Edit")},
    {"view", "", T("&View")},         {"second", "view", T("&Second plot")},   {"theme", "view", T("&Colours")},
    {"panels", "view", T("&Panels")}, {"model", "", T("&Model")},              {"policy", "", T("&Policy")},
    {"presets", "policy", T("Prese&ts")},                           {"tools", "", T("&Tools")},
    {"help", "", T("&Help")},
};
#undef T

} // namespace

Actions::Actions(QMainWindow* window, Settings& settings) : QObject(window)
{
    for (const MenuRow& row : kMenus) {
        QMenu* menu = *row.parent ? m_menus[row.parent]->addMenu(tr(row.text)) : window->menuBar()->addMenu(tr(row.text));
        menu->setToolTipsVisible(true);
        m_menus[row.id] = menu;
    }
    QHash<QString, QActionGroup*> groups;
    for (const Row& row : kRows) {
        QMenu* menu = m_menus[row.menu];
        if (!row.id) {
            menu->addSeparator();
            continue;
        }
        QAction* action = make(window, settings, QString::fromLatin1(row.id), tr(row.text), QKeySequence(QString::fromLatin1(row.shortcut)));
        action->setProperty("iconName", QString::fromLatin1(row.icon));
        action->setCheckable(*row.group);
        if (const QString group = QString::fromLatin1(row.group); *row.group && group != QLatin1String("toggle")) {
            if (!groups.contains(group))
                groups[group] = new QActionGroup(window);
            groups[group]->addAction(action);
        }
        menu->addAction(action);
    }
    addPresets(window, settings);
    retint();
}

QAction* Actions::make(QMainWindow* window, Settings& settings, const QString& id, const QString& text, const QKeySequence& keys)
{
    auto* action = new QAction(text, window);
    action->setObjectName(id);
    action->setProperty(ShortcutEditor::kDefaultProperty, keys);
    action->setShortcut(settings.shortcut(id, keys));
    m_actions[id] = action;
    m_order.append(action);
    return action;
}

QByteArray Actions::presetId(const Preset& preset)
{
    return "preset-" + QByteArray(preset.id.data(), qsizetype(preset.id.size()));
}

void Actions::addPresets(QMainWindow* window, Settings& settings)
{
    std::string_view section;
    for (const Preset& preset : presets()) {
        if (preset.section != section)
            m_menus["presets"]->addSection(fromStd(preset.section));
        section = preset.section;
        QAction* action = make(window, settings, QString::fromLatin1(presetId(preset)), fromStd(preset.label), {});
        action->setToolTip(fromStd(preset.summary));
        action->setStatusTip(fromStd(preset.summary));
        action->setProperty(CommandPalette::kTextProperty, tr("Preset %1").arg(fromStd(preset.label)));
        m_menus["presets"]->addAction(action);
    }
}

QAction* Actions::operator[](const char* id) const
{
    QAction* action = m_actions.value(QString::fromLatin1(id));
    Q_ASSERT_X(action, "Actions", id);
    return action;
}

QMenu* Actions::menu(const char* id) const
{
    return m_menus.value(QString::fromLatin1(id));
}

void Actions::fillToolBar(QToolBar* bar) const
{
    for (const char* id : {"openFile", "exportModel"})
        bar->addAction((*this)[id]);
}

void Actions::retint()
{
    for (QAction* action : std::as_const(m_order)) {
        if (const QString icon = action->property("iconName").toString(); !icon.isEmpty())
            action->setIcon(theme::icon(icon));
    }
}

void Actions::saveShortcuts(Settings& settings) const
{
    for (const QAction* action : m_order)
        settings.setShortcut(action->objectName(), action->shortcut());
}

} // namespace ql
