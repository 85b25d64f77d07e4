// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// screenshots [FOLDER [NAME]]: drives the window on the bundled models and saves the pictures that the README shows, at
// 1280x800 and 1920x1080, light and dark. Run with QT_QPA_PLATFORM=offscreen.
#include "app/exportdialog.h"
#include "app/runcontroller.h"
#include "app/searchcontroller.h"
#include "support/windowdriver.h"
#include "widgets/panels/activationspage.h"
#include "widgets/panels/budgetpage.h"
#include "widgets/panels/comparepage.h"
#include "widgets/panels/kvpage.h"
#include "widgets/panels/mappage.h"
#include "widgets/panels/modelpage.h"

#ifdef QUANTLOUPE_OPENCL
#include "kernels/devices.h"
#endif

#include <QApplication>
#include <QComboBox>
#include <QDir>
#include <QDockWidget>
#include <QLineEdit>
#include <QPixmap>

#include <cstdio>

using namespace ql;

namespace {

struct Shot {
    const char* name;
    QSize size;
    ThemeMode theme;
    const char* model;
    const char* tensor;
    const char* scheme;
    const char* page;
    const char* second;
};

constexpr QSize kSmall(1280, 800), kLarge(1920, 1080);
const char* const kDown = "model.layers.1.mlp.down_proj.weight";
const char* const kQuery = "model.layers.2.self_attn.q_proj.weight";

const Shot kShots[] = {
    {"weights-int4-light", kSmall, ThemeMode::Light, "loupe-3m", kDown, "int4,group=128", "weightsPage", "secondSweep"},
    {"weights-int4-dark", kSmall, ThemeMode::Dark, "loupe-3m", kDown, "int4,group=128", "weightsPage", "secondOccupancy"},
    {"weights-nf4-light", kSmall, ThemeMode::Light, "loupe-3m", kDown, "nf4,group=64", "weightsPage", "secondOccupancy"},
    {"weights-nf4-dark", kLarge, ThemeMode::Dark, "loupe-3m", kDown, "nf4,group=64", "weightsPage", "secondError"},
    {"clip-sweep-light", kLarge, ThemeMode::Light, "loupe-3m", kQuery, "int4,channel,clip=mse", "weightsPage", "secondSweep"},
    {"formats-light", kLarge, ThemeMode::Light, "loupe-3m", kQuery, "int4,group=64", "weightsPage", "secondFormats"},
    {"formats-dark", kSmall, ThemeMode::Dark, "loupe-3m", kQuery, "int4,group=64", "weightsPage", "secondFormats"},
    {"channels-light", kSmall, ThemeMode::Light, "loupe-3m-outliers", kQuery, "int4,group=128", "weightsPage", "secondChannels"},
    {"int8-light", kSmall, ThemeMode::Light, "loupe-3m", kQuery, "int8,tensor", "weightsPage", "secondError"},
    {"map-light", kSmall, ThemeMode::Light, "loupe-3m-outliers", kQuery, "int4,group=64", "mapPage", "secondSweep"},
    {"map-dark", kLarge, ThemeMode::Dark, "loupe-3m-outliers", kQuery, "int4,group=64", "mapPage", "secondSweep"},
};

bool take(const Shot& shot, const QString& folder)
{
    test::WindowDriver driver(shot.size, QApplication::applicationFilePath());
    driver.window().setTheme(shot.theme);
    if (!driver.open(QLatin1String(shot.model)) || !driver.select(shot.tensor))
        return false;
    const int tensor = driver.window().session()->model()->indexOf(shot.tensor);
    const auto scheme = Scheme::parse(shot.scheme);
    if (!scheme.ok())
        return false;
    driver.window().session()->setSchemes({{tensor, *scheme}}, QString::fromLatin1(shot.scheme));
    driver.trigger(shot.page);
    driver.trigger(shot.second);
    if (!driver.settle())
        return false;
    if (QLatin1String(shot.page) == QLatin1String("mapPage")) {
        Q_EMIT driver.window().mapPage()->groupPicked(5, 64);
        driver.settle();
    }
    QTest::qWait(150);
    const QPixmap picture = driver.window().grab();
    return picture.save(folder + QLatin1Char('/') + QLatin1String(shot.name) + QStringLiteral(".png"));
}

/// What a picture of the running model shows, beyond the page.
enum class Run { Nothing, Calibration, Evaluation, Attribution, Cache, Budget };

struct RunShot {
    const char* name;
    QSize size;
    ThemeMode theme;
    const char* model;
    const char* page;
    Run run;
    ModelPage::Measure measure;
    const char* dock;
};

using Measure = ModelPage::Measure;
const RunShot kRunShots[] = {
    {"model-light", kSmall, ThemeMode::Light, "loupe-3m", "modelPage", Run::Nothing, Measure::Sqnr, nullptr},
    {"model-output-dark", kLarge, ThemeMode::Dark, "loupe-3m-outliers", "modelPage", Run::Calibration, Measure::OutputError,
     nullptr},
    {"model-kl-light", kLarge, ThemeMode::Light, "loupe-3m-outliers", "modelPage", Run::Attribution, Measure::Kl, nullptr},
    {"activations-light", kSmall, ThemeMode::Light, "loupe-3m-outliers", "activationsPage", Run::Calibration, Measure::Sqnr,
     nullptr},
    {"activations-dark", kLarge, ThemeMode::Dark, "loupe-3m-outliers", "activationsPage", Run::Calibration, Measure::Sqnr,
     nullptr},
    {"cache-light", kSmall, ThemeMode::Light, "loupe-3m-outliers", "kvPage", Run::Cache, Measure::Sqnr, nullptr},
    {"cache-dark", kLarge, ThemeMode::Dark, "loupe-3m", "kvPage", Run::Cache, Measure::Sqnr, nullptr},
    {"calibrate-light", kSmall, ThemeMode::Light, "loupe-3m-outliers", "weightsPage", Run::Calibration, Measure::Sqnr,
     "calibrateDock"},
    {"calibrate-dark", kSmall, ThemeMode::Dark, "loupe-3m", "modelPage", Run::Nothing, Measure::OutputError,
     "calibrateDock"},
    {"evaluate-light", kSmall, ThemeMode::Light, "loupe-3m", "evaluatePage", Run::Evaluation, Measure::Sqnr, nullptr},
    {"evaluate-dark", kLarge, ThemeMode::Dark, "loupe-3m", "evaluatePage", Run::Evaluation, Measure::Sqnr, nullptr},
    {"budget-light", kSmall, ThemeMode::Light, "loupe-3m", "budgetPage", Run::Budget, Measure::Sqnr, nullptr},
    {"budget-dark", kLarge, ThemeMode::Dark, "loupe-3m", "budgetPage", Run::Budget, Measure::Sqnr, nullptr},
    {"attribution-light", kSmall, ThemeMode::Light, "loupe-3m-outliers", "evaluatePage", Run::Attribution, Measure::Sqnr,
     nullptr},
    {"attribution-dark", kLarge, ThemeMode::Dark, "loupe-3m-outliers", "evaluatePage", Run::Attribution, Measure::Sqnr,
     nullptr},
};

/// The costs of the default candidates, and a budget on the steep part of the front.
bool searchBudget(test::WindowDriver& driver)
{
    auto* page = driver.window().findChild<BudgetPage*>();
    const auto wish = page->wish();
    if (!wish.ok())
        return false;
    Q_EMIT page->measureRequested(*wish);
    if (!driver.settle(120000) || !driver.window().searchController()->search())
        return false;
    const AllocationProblem& problem = driver.window().searchController()->search()->problem();
    const uint64_t bytes = problem.smallestBytes() + (problem.largestBytes() - problem.smallestBytes()) / 3;
    page->setBudget(bytes);
    Q_EMIT page->budgetChanged(bytes);
    return driver.settle();
}

bool takeRun(const RunShot& shot, const QString& folder)
{
    test::WindowDriver driver(shot.size, QApplication::applicationFilePath());
    MainWindow& window = driver.window();
    window.setTheme(shot.theme);
    if (!driver.open(QLatin1String(shot.model)) || !driver.select(kDown))
        return false;
    RunController* run = window.runController();
    SequenceSettings text = run->heldOutSequences();
    text.count = std::min<int64_t>(text.count, 16);
    if (shot.run != Run::Nothing && shot.run != Run::Budget)
        run->calibrate(run->defaultSequences(), {});
    if (!driver.settle(120000))
        return false;
    driver.trigger(shot.page);
    if (shot.run == Run::Cache) {
        Q_EMIT window.findChild<KvPage*>()->schemeEdited(-1, KvScheme::parse("int4,keys=channel,recent=32").value());
        Q_EMIT window.findChild<KvPage*>()->studyWanted();
    }
    if (QLatin1String(shot.page) == QLatin1String("activationsPage"))
        Q_EMIT window.findChild<ActivationsPage*>()->schemeEdited(ActivationScheme::parse("int8,tensor").value(), true);
    if (shot.run == Run::Evaluation)
        driver.trigger("evaluate");
    if (shot.run == Run::Attribution)
        driver.trigger("attribute");
    if (!driver.settle(300000) || (shot.run == Run::Budget && !searchBudget(driver)))
        return false;
    driver.trigger(shot.page);
    window.findChild<ModelPage*>()->setMeasure(shot.measure);
    if (shot.dock)
        window.findChild<QDockWidget*>(QLatin1String(shot.dock))->raise();
    QTest::qWait(250);
    return window.grab().save(folder + QLatin1Char('/') + QLatin1String(shot.name) + QStringLiteral(".png"));
}

bool takeCompare(QSize size, ThemeMode theme, bool all, const QString& file)
{
    test::WindowDriver driver(size, QApplication::applicationFilePath());
    driver.window().setTheme(theme);
    if (!driver.open(QStringLiteral("loupe-3m")) || !driver.select(kDown))
        return false;
    driver.trigger("comparePage");
    auto* page = driver.window().findChild<ComparePage*>();
    page->setOperand(ComparePage::A, {CompareOperand::Kind::Scheme, QStringLiteral("int4,tensor")});
    page->setOperand(ComparePage::B, {CompareOperand::Kind::Scheme, QStringLiteral("nf4,tensor")});
    if (all)
        page->setOperand(ComparePage::A, {CompareOperand::Kind::CurrentPolicy, {}});
    Q_EMIT page->operandsChanged();
    page->setAllTensors(all);
    if (!driver.settle(60000))
        return false;
    QTest::qWait(150);
    return driver.window().grab().save(file);
}

bool takeExport(ThemeMode theme, const QString& file)
{
    test::WindowDriver driver(kSmall, QApplication::applicationFilePath());
    driver.window().setTheme(theme);
    if (!driver.open(QStringLiteral("loupe-3m")))
        return false;
    driver.trigger("exportModel");
    driver.settle();
    auto* sheet = driver.window().findChild<ExportDialog*>();
    auto* format = sheet->findChild<QComboBox*>();
    format->setCurrentIndex(format->findData(int(ExportFormat::Gguf)));
    sheet->findChild<QLineEdit*>()->setText(QStringLiteral("loupe-3m-quantized.gguf")); // no folder of this machine
    driver.settle();
    QTest::qWait(150);
    return sheet->grab().save(file);
}

bool takeWelcome(QSize size, ThemeMode theme, const QString& file)
{
    test::WindowDriver driver(size, QApplication::applicationFilePath());
    driver.window().setTheme(theme);
    driver.settle();
    return driver.window().grab().save(file);
}

} // namespace

int main(int argc, char** argv)
{
#ifdef QUANTLOUPE_OPENCL
    if (argc == 2 && std::string_view(argv[1]) == "--probe-opencl")
        return printProbe();
#endif
    QApplication application(argc, argv);
    const QString folder = argc > 1 ? QString::fromLocal8Bit(argv[1]) : QStringLiteral(QL_RESOURCES "/screenshots");
    QDir().mkpath(folder);
    const QString target = QDir(folder).absolutePath();
    QDir::setCurrent(QStringLiteral(QL_RESOURCES "/models")); // pictures name models, not folders of this machine
    int failures = 0;
    const QString only = argc > 2 ? QString::fromLocal8Bit(argv[2]) : QString(); // pictures whose name contains this
    const auto wanted = [&](const char* name) { return only.isEmpty() || QString::fromLatin1(name).contains(only); };
    for (const Shot& shot : kShots) {
        if (!wanted(shot.name))
            continue;
        const bool taken = take(shot, target);
        std::printf("%s %s\n", taken ? "saved " : "FAILED", shot.name);
        failures += !taken;
    }
    for (const RunShot& shot : kRunShots) {
        if (!wanted(shot.name))
            continue;
        const bool taken = takeRun(shot, target);
        std::printf("%s %s\n", taken ? "saved " : "FAILED", shot.name);
        failures += !taken;
    }
    if (wanted("compare")) {
        failures += !takeCompare(kSmall, ThemeMode::Light, false, target + "/compare-light.png");
        failures += !takeCompare(kLarge, ThemeMode::Dark, true, target + "/compare-dark.png");
    }
    if (wanted("export")) {
        failures += !takeExport(ThemeMode::Light, target + "/export-light.png");
        failures += !takeExport(ThemeMode::Dark, target + "/export-dark.png");
    }
    if (wanted("welcome")) {
        failures += !takeWelcome(kSmall, ThemeMode::Light, target + "/welcome-light.png");
        failures += !takeWelcome(kLarge, ThemeMode::Dark, target + "/welcome-dark.png");
    }
    return failures;
}
