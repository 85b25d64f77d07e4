// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The whole window, driven with real mouse and key events on the bundled model.
#include "app/exportcontroller.h"
#include "app/runcontroller.h"
#include "support/patience.h"
#include "support/windowdriver.h"
#include "widgets/models/layersmodel.h"
#include "widgets/panels/activationspage.h"
#include "widgets/panels/cliptable.h"
#include "widgets/panels/evaluatepage.h"
#include "widgets/panels/kvpage.h"
#include "widgets/panels/modelpage.h"
#include "widgets/panels/schemeeditor.h"
#include "widgets/panels/sequenceform.h"
#include "widgets/panels/statuswidgets.h"
#include "widgets/plots/channelsplot.h"
#include "widgets/plots/distributionplot.h"

#include <QAbstractItemView>
#include <QComboBox>
#include <QDropEvent>
#include <QHeaderView>
#include <QLabel>
#include <QLineEdit>
#include <QAbstractButton>
#include <QListView>
#include <QMimeData>
#include <QRandomGenerator>
#include <QSignalSpy>
#include <QTableWidget>
#include <QTreeView>

using namespace ql;

namespace {

const QString kModel = QStringLiteral(QL_RESOURCES "/models/loupe-3m");
const char* const kDown = "model.layers.1.mlp.down_proj.weight";

QtMessageHandler previousHandler = nullptr;
QStringList warnings;

void collect(QtMsgType type, const QMessageLogContext& context, const QString& message)
{
    // What the offscreen platform cannot do is no fault of the window.
    const bool platform = message.startsWith("This plugin does not support") || message.contains("XDG_RUNTIME_DIR");
    if ((type == QtWarningMsg || type == QtCriticalMsg) && !platform)
        warnings << message;
    previousHandler(type, context, message);
}

SequenceSettings fewTokens(const RunController& run)
{
    SequenceSettings settings = run.defaultSequences();
    settings.length = 32;
    settings.count = 3;
    return settings;
}

/// The text of the label that `name` explains.
QString valueOf(const QWidget& window, const char* name)
{
    const auto labels = window.findChildren<QLabel*>();
    for (const QLabel* label : labels) {
        if (label->accessibleName() == QLatin1String(name))
            return label->text();
    }
    return {};
}

} // namespace

class TestMainWindow : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { previousHandler = qInstallMessageHandler(collect); }
    void init() { warnings.clear(); }
    void cleanup() { QVERIFY2(warnings.isEmpty(), qPrintable(warnings.join('\n'))); }

    void aModelOpensToAMeasuredLayer()
    {
        test::WindowDriver driver;
        QVERIFY(driver.open(kModel));
        QVERIFY(driver.window().layersPanel()->currentTensor() >= 0);
        const auto* totals = driver.window().findChild<QLabel*>("totals");
        QVERIFY2(totals->text().contains("bits/weight") && totals->text().contains("SQNR"), qPrintable(totals->text()));
        QVERIFY(!driver.window().inlineBar()->isVisible());
    }

    void filesThatAreNotModelsGiveOneLine()
    {
        test::WindowDriver driver;
        driver.window().openPath(QStringLiteral(QL_RESOURCES "/models/loupe-3m/README.md"));
        QL_TRY_VERIFY(driver.window().inlineBar()->isVisible());
        QVERIFY2(driver.window().inlineBar()->text().contains("README.md"), qPrintable(driver.window().inlineBar()->text()));
        QVERIFY(driver.open(kModel)); // the window stays usable, and what is over is no longer said
        QVERIFY(!driver.window().inlineBar()->isVisible());
    }

    void aModelDroppedOnAnotherReplacesIt()
    {
        test::WindowDriver driver;
        QVERIFY(driver.open(kModel));
        QMimeData data;
        data.setUrls({QUrl::fromLocalFile(kModel + "-outliers")});
        QDragEnterEvent enter(QPoint(600, 300), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
        QCoreApplication::sendEvent(&driver.window(), &enter);
        QVERIFY(enter.isAccepted());
        QDropEvent drop(QPointF(600, 300), Qt::CopyAction, &data, Qt::LeftButton, Qt::NoModifier);
        QCoreApplication::sendEvent(&driver.window(), &drop);
        QL_TRY_COMPARE(driver.window().session()->model()->displayName(), std::string("loupe-3m-outliers"));
        QVERIFY(driver.settle());
    }

    void formatsWithTheirOwnRangeKeepThePlots_data()
    {
        QTest::addColumn<QString>("scheme");
        for (const char* scheme : {"q4_0", "q8_0", "iq4_nl", "mxfp4", "nvfp4", "f16"})
            QTest::newRow(scheme) << scheme;
    }
    void formatsWithTheirOwnRangeKeepThePlots()
    {
        QFETCH(QString, scheme);
        test::WindowDriver driver;
        QVERIFY(driver.open(kModel));
        QVERIFY(driver.select(kDown));
        Q_EMIT driver.window().weightsPage()->schemeEdited(Scheme::parse(scheme.toStdString()).value(), true);
        QVERIFY(driver.settle());
        QVERIFY2(driver.window().inlineBar()->text().isEmpty(), qPrintable(driver.window().inlineBar()->text()));
        QVERIFY(driver.window().weightsPage()->findChild<DistributionPlot*>()->isVisible());
        // The methods of the scheme before must not be offered for this one.
        QCOMPARE(driver.window().findChild<ClipTable*>()->findChild<QTableWidget*>()->rowCount(), 0);
    }

    void aPickedChannelStaysAmongItsNeighbours()
    {
        test::WindowDriver driver;
        QVERIFY(driver.open(kModel));
        QVERIFY(driver.select(kDown));
        driver.trigger("secondChannels");
        QVERIFY(driver.settle());
        auto* channels = driver.window().weightsPage()->findChild<ChannelsPlot*>();
        const auto rows = channels->table().rows.size();
        QCOMPARE(int(rows), 256);
        Q_EMIT driver.window().weightsPage()->channelPicked(17);
        QVERIFY(driver.settle());
        QCOMPARE(channels->table().rows.size(), rows);
        driver.trigger("wholeTensor");
        QVERIFY(driver.settle());
        QCOMPARE(channels->table().rows.size(), rows);
    }

    void aSmallWindowShowsNamesSchemesAndErrorsInFull()
    {
        test::WindowDriver driver;
        QVERIFY(driver.open(kModel));
        auto* table = driver.window().layersPanel()->findChild<QTreeView*>();
        table->expandAll();
        QStyleOptionViewItem option;
        option.initFrom(table);
        int right = 0;
        for (const int column : {LayersModel::NameColumn, LayersModel::SchemeColumn, LayersModel::SqnrColumn}) {
            const auto fits = [&](const QModelIndex& index) {
                return table->itemDelegate()->sizeHint(option, index).width() <= table->visualRect(index).width();
            };
            for (QModelIndex row = table->indexAt({0, 0}); row.isValid(); row = table->indexBelow(row))
                QVERIFY2(fits(row.siblingAtColumn(column)), qPrintable(row.siblingAtColumn(column).data().toString()));
            right = std::max(right, table->header()->sectionPosition(column) + table->header()->sectionSize(column));
        }
        QVERIFY2(right <= table->viewport()->width(), qPrintable(QString("%1 > %2").arg(right).arg(table->viewport()->width())));
    }

    void editsAreUndoneWithTheKeyboard()
    {
        test::WindowDriver driver;
        QVERIFY(driver.open(kModel));
        QVERIFY(driver.select(kDown));
        const Scheme before = driver.decision(kDown).scheme;
        const Scheme after = Scheme::defaultsFor(Format::NF4);
        Q_EMIT driver.window().weightsPage()->schemeEdited(after, true);
        QCOMPARE(driver.decision(kDown).scheme, after);
        QVERIFY(driver.settle());
        QTest::keyClick(&driver.window(), Qt::Key_Z, Qt::ControlModifier);
        QCOMPARE(driver.decision(kDown).scheme, before);
        QTest::keyClick(&driver.window(), Qt::Key_Z, Qt::ControlModifier | Qt::ShiftModifier);
        QCOMPARE(driver.decision(kDown).scheme, after);
        QVERIFY(driver.settle());
    }

    void aDragIsOneStep()
    {
        test::WindowDriver driver;
        QVERIFY(driver.open(kModel));
        QVERIFY(driver.select(kDown));
        Scheme scheme = driver.decision(kDown).scheme;
        scheme.clip = ClipMethod::Ratio;
        for (int i = 0; i < 20; ++i) {
            scheme.clipParameter = 1.0 - 0.02 * i;
            Q_EMIT driver.window().weightsPage()->schemeEdited(scheme, false);
            QTest::qWait(5);
        }
        QCOMPARE(driver.window().session()->undoStack()->count(), 0);
        Q_EMIT driver.window().weightsPage()->schemeEdited(scheme, true);
        QCOMPARE(driver.window().session()->undoStack()->count(), 1);
        QVERIFY(driver.settle());
    }

    void thePaletteFindsATensor()
    {
        test::WindowDriver driver;
        QVERIFY(driver.open(kModel));
        driver.trigger("find");
        auto* line = qobject_cast<QLineEdit*>(QApplication::focusWidget());
        QVERIFY(line);
        QTest::keyClicks(line, "layers.3.mlp.up_proj");
        QTest::keyClick(line, Qt::Key_Return);
        QVERIFY(driver.settle());
        const int tensor = driver.window().layersPanel()->currentTensor();
        QCOMPARE(driver.window().session()->model()->tensors()[size_t(tensor)].name, std::string("model.layers.3.mlp.up_proj.weight"));
    }

    void clipMethodsAreComparedAndAdopted()
    {
        test::WindowDriver driver;
        QVERIFY(driver.open(kModel));
        QVERIFY(driver.select(kDown));
        driver.trigger("compareClips");
        auto* table = driver.window().findChild<ClipTable*>()->findChild<QTableWidget*>();
        QL_TRY_COMPARE(table->rowCount(), 4);
        int lowest = -1;
        for (int row = 0; row < 4; ++row) {
            if (table->item(row, 0)->text().contains("lowest"))
                lowest = row;
        }
        QVERIFY(lowest >= 0);
        for (int row = 0; row < 4; ++row)
            QVERIFY(table->item(lowest, 3)->text().toDouble() <= table->item(row, 3)->text().toDouble());
        table->setFocus();
        table->setCurrentCell(lowest, 0);
        QTest::keyClick(table, Qt::Key_Return);
        QCOMPARE(driver.decision(kDown).scheme.clip, ClipMethod::Mse);
        QVERIFY(driver.settle());
    }

    void exportsAppearWhole()
    {
        test::WindowDriver driver;
        QVERIFY(driver.open(kModel));
        const QString target = driver.folder().filePath("out.safetensors");
        auto* exports = driver.window().findChild<ExportController*>();
        QVERIFY(exports);
        QSignalSpy finished(exports, &ExportController::finished);
        exports->exportTo(target, ExportFormat::Codes, driver.window().backend());
        QVERIFY(finished.wait(test::kPatienceMs));
        QVERIFY(QFileInfo(target).size() > 1000);
        QSignalSpy failed(exports, &ExportController::failed);
        exports->exportTo("/proc/nowhere/x.safetensors", ExportFormat::Codes, driver.window().backend());
        QVERIFY(failed.wait(test::kPatienceMs));
        QVERIFY(driver.window().inlineBar()->isVisible());
        QVERIFY(driver.settle());
    }

    void theSessionComesBack()
    {
        QTemporaryDir folder;
        const QString ini = folder.filePath("s.ini");
        for (const bool second : {false, true}) {
            MainWindow window(std::make_shared<Backends>("/bin/false", ""), std::make_unique<Settings>(ini), folder.filePath("j"));
            window.show();
            if (second) {
                QCOMPARE(window.weightsPage()->secondPlot(), SecondPlot::Occupancy);
                QCOMPARE(Settings(ini).recentModels().value(0), kModel);
                break;
            }
            window.openPath(kModel);
            QL_TRY_VERIFY(window.session()->model() != nullptr);
            (*window.actionTable())["secondOccupancy"]->trigger();
            QL_TRY_COMPARE(window.jobs()->pending(), 0);
            window.close();
        }
    }

    void errorsAtTheOutputFollowACalibration()
    {
        test::WindowDriver driver;
        MainWindow& window = driver.window();
        QVERIFY(driver.open(kModel));
        QVERIFY(driver.select(kDown));
        QCOMPARE(valueOf(window, "Output error"), QString("–"));
        window.runController()->calibrate(fewTokens(*window.runController()), {});
        QVERIFY(driver.settle());
        QVERIFY2(valueOf(window, "Output error").startsWith("0."), qPrintable(valueOf(window, "Output error")));
        auto* layers = window.findChild<LayersModel*>();
        const int down = window.session()->model()->indexOf(kDown);
        const QModelIndex cell = layers->indexOfTensor(down, LayersModel::OutputErrorColumn);
        const double before = cell.data(LayersModel::SortRole).toDouble();
        QVERIFY(before > 0 && before < 1);
        window.session()->setSchemes({{down, Scheme::parse("int8,channel").value()}}, "finer");
        QVERIFY(!cell.data(LayersModel::SortRole).isValid()); // not known for this scheme yet, so not shown
        QVERIFY(driver.settle());
        QVERIFY(cell.data(LayersModel::SortRole).toDouble() < before / 4);
        QCOMPARE(valueOf(window, "Basis of the output error").contains("Gram"), true);
        driver.trigger("discardCalibration");
        QVERIFY(!cell.data(LayersModel::SortRole).isValid());
        QCOMPARE(valueOf(window, "Output error"), QString("–"));
    }

    void clippingByTheOutputErrorNeedsACalibration()
    {
        test::WindowDriver driver;
        MainWindow& window = driver.window();
        QVERIFY(driver.open(kModel));
        QVERIFY(driver.select(kDown));
        const int down = window.session()->model()->indexOf(kDown);
        auto* layers = window.findChild<LayersModel*>();
        const QModelIndex sqnr = layers->indexOfTensor(down, LayersModel::SqnrColumn);
        window.session()->setSchemes({{down, Scheme::parse("int3,group=128,clip=output").value()}}, "by output");
        QVERIFY(driver.settle());
        QVERIFY2(window.inlineBar()->text().contains("calibrat"), qPrintable(window.inlineBar()->text()));
        QVERIFY(!sqnr.data(LayersModel::SortRole).isValid());
        window.runController()->calibrate(fewTokens(*window.runController()), {});
        QVERIFY(driver.settle());
        QVERIFY(sqnr.data(LayersModel::SortRole).isValid()); // it is resolved and measured now
        QVERIFY(window.weightsPage()->findChild<DistributionPlot*>()->isVisible());
        const auto* clips = window.findChild<ClipTable*>()->findChild<QTableWidget*>();
        QCOMPARE(clips->rowCount(), 5);
        QVERIFY(clips->item(4, 0)->text().startsWith("Output error"));
    }

    void anEvaluationIsShownAndMarkedWhenThePolicyChanges()
    {
        test::WindowDriver driver;
        MainWindow& window = driver.window();
        QVERIFY(driver.open(kModel));
        auto* page = window.findChild<EvaluatePage*>();
        page->findChild<SequenceForm*>()->setSettings(fewTokens(*window.runController()));
        driver.trigger("evaluate");
        QVERIFY(page->isVisible()); // the figures appear where one looks
        QVERIFY(driver.settle(60000));
        QVERIFY2(valueOf(*page, "KL divergence (nats)").startsWith("0."), qPrintable(valueOf(*page, "KL divergence (nats)")));
        QVERIFY(!valueOf(*page, "State of the evaluation").contains("earlier policy"));
        driver.trigger("preset-int8");
        QVERIFY(valueOf(*page, "State of the evaluation").contains("earlier policy"));
        window.session()->undoStack()->undo();
        QVERIFY(!valueOf(*page, "State of the evaluation").contains("earlier policy"));
        driver.trigger("attribute");
        QVERIFY(driver.settle(60000));
        auto* layers = window.findChild<LayersModel*>();
        const int down = window.session()->model()->indexOf(kDown);
        const QModelIndex kl = layers->indexOfTensor(down, LayersModel::KlColumn);
        QVERIFY(kl.data(LayersModel::SortRole).toDouble() > 0);
        window.session()->setSchemes({{down, Scheme::parse("int8,channel").value()}}, "finer");
        QVERIFY(!kl.data(LayersModel::SortRole).isValid()); // it was measured for another scheme
        QVERIFY(driver.settle());
    }

    void schemesOfActivationsAndCacheAreUndoableEdits()
    {
        test::WindowDriver driver;
        MainWindow& window = driver.window();
        QVERIFY(driver.open(kModel));
        QVERIFY(driver.select("model.layers.1.self_attn.q_proj.weight"));
        window.runController()->calibrate(fewTokens(*window.runController()), {});
        driver.trigger("activationsPage");
        QVERIFY(driver.settle());
        auto* activations = window.findChild<ActivationsPage*>();
        const auto scheme = ActivationScheme::parse("int8,tensor").value();
        Q_EMIT activations->schemeEdited(scheme, true);
        const auto& entries = window.session()->policy().activations.tensors;
        QCOMPARE(int(entries.size()), 3); // q, k and v share their input
        QVERIFY(activations->scheme() == std::optional(scheme));
        driver.trigger("activationsEverywhere");
        QVERIFY(window.session()->policy().activations.defaultScheme == std::optional(scheme));
        QVERIFY(entries.empty());
        window.session()->undoStack()->undo();
        window.session()->undoStack()->undo();
        QVERIFY(window.session()->policy().activations.empty());
        QVERIFY(!activations->scheme());
        auto* cache = window.findChild<KvPage*>();
        driver.trigger("kvPage");
        Q_EMIT cache->schemeEdited(-1, KvScheme::parse("int8").value());
        Q_EMIT cache->schemeEdited(2, KvScheme::parse("int4,keys=channel").value());
        Q_EMIT cache->schemeEdited(2, std::nullopt);
        const KvPolicy& policy = window.session()->policy().kvCache;
        QVERIFY(policy.defaultScheme && !policy.forLayer(2) && policy.forLayer(3));
        QCOMPARE(int(policy.layers.size()), 1);
        Q_EMIT cache->studyWanted();
        QVERIFY(driver.settle(60000));
        QVERIFY2(window.inlineBar()->text().isEmpty(), qPrintable(window.inlineBar()->text()));
        Q_EMIT cache->layerChosen(3); // one selection drives every view
        QCOMPARE(window.session()->model()->tensors()[size_t(window.layersPanel()->currentTensor())].layer, 3);
        QVERIFY(driver.settle());
    }

    void aCellOfTheModelPageSelectsItsTensor()
    {
        test::WindowDriver driver;
        QVERIFY(driver.open(kModel));
        driver.trigger("modelPage");
        auto* page = driver.window().findChild<ModelPage*>();
        QVERIFY(page->isVisible());
        const int down = driver.window().session()->model()->indexOf(kDown);
        Q_EMIT page->tensorPicked(down);
        QCOMPARE(driver.window().layersPanel()->currentTensor(), down);
        QVERIFY(driver.settle());
    }

    void theCalibrationComesBackWithItsModel()
    {
        QTemporaryDir folder;
        const QString ini = folder.filePath("s.ini"), file = folder.filePath("c.safetensors");
        for (const bool second : {false, true}) {
            MainWindow window(std::make_shared<Backends>("/bin/false", ""), std::make_unique<Settings>(ini), folder.filePath("j"));
            window.show();
            window.openPath(kModel);
            QL_TRY_VERIFY(window.runController()->network() != nullptr);
            if (second) {
                QL_TRY_VERIFY(window.runController()->calibration() != nullptr);
                QVERIFY(window.findChild<EvaluatePage*>()->isVisible()); // and so does the page
                QL_TRY_COMPARE(window.jobs()->pending(), 0);
                break;
            }
            window.runController()->calibrate(fewTokens(*window.runController()), {});
            QL_TRY_COMPARE(window.jobs()->pending(), 0);
            window.runController()->saveCalibration(file);
            QL_TRY_COMPARE(window.jobs()->pending(), 0);
            (*window.actionTable())["evaluatePage"]->trigger();
            window.close();
        }
    }

    void randomEventsLeaveItStanding()
    {
        const quint32 seed = qEnvironmentVariableIntValue("QUANTLOUPE_SEED") ? quint32(qEnvironmentVariableIntValue("QUANTLOUPE_SEED")) : 20u;
        const int events = qEnvironmentVariableIsSet("QUANTLOUPE_EVENTS") ? qEnvironmentVariableIntValue("QUANTLOUPE_EVENTS") : 2000;
        test::WindowDriver driver;
        QVERIFY(driver.open(kModel));
        driver.window().runController()->calibrate(fewTokens(*driver.window().runController()), {}); // arrives meanwhile
        QRandomGenerator random(seed);
        const QList<Qt::Key> keys{Qt::Key_Up, Qt::Key_Down, Qt::Key_Left, Qt::Key_Right, Qt::Key_Tab, Qt::Key_Escape,
                                  Qt::Key_Home, Qt::Key_End, Qt::Key_PageDown, Qt::Key_A, Qt::Key_5};
        const QList<const char*> actions{"weightsPage", "mapPage", "modelPage", "evaluatePage", "activationsPage", "kvPage", "secondSweep", "secondError", "secondOccupancy",
                                         "secondFormats", "secondChannels", "nextTensor", "previousTensor", "preset-mixed",
                                         "preset-nf4", "preset-w4a8", "resetTensor", "lock", "wholeTensor", "themeDark", "themeLight"};
        for (int i = 0; i < events; ++i) {
            // Dialogs and menus would wait for a person.
            if (QWidget* popup = QApplication::activePopupWidget())
                popup->close();
            if (QWidget* modal = QApplication::activeModalWidget())
                modal->close();
            MainWindow& window = driver.window();
            const QPoint at(random.bounded(window.width()), random.bounded(60, window.height()));
            QWidget* target = window.childAt(at);
            switch (random.bounded(8)) {
            case 0:
                driver.trigger(actions[random.bounded(actions.size())]);
                break;
            case 1:
                window.session()->undoStack()->undo();
                break;
            case 2:
            case 3:
                QTest::keyClick(QApplication::focusWidget() ? QApplication::focusWidget() : &window, keys[random.bounded(keys.size())]);
                break;
            default:
                if (!target || qobject_cast<QAbstractButton*>(target) || qobject_cast<QComboBox*>(target))
                    break;
                const QPoint local = target->mapFrom(&window, at);
                QTest::mousePress(target, Qt::LeftButton, {}, local);
                QTest::mouseMove(target, local + QPoint(random.bounded(60) - 30, random.bounded(20) - 10));
                QTest::mouseRelease(target, Qt::LeftButton, {}, local + QPoint(random.bounded(60) - 30, 0));
            }
        }
        QVERIFY(driver.settle(60000));
        QVERIFY(driver.window().session()->model() != nullptr);
    }
};

QTEST_MAIN(TestMainWindow)
#include "tst_mainwindow.moc"
