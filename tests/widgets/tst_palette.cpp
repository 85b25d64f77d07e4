// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Command palette: fuzzy order, keys, mouse, what cannot be done now. Shortcuts, and their editor.
#include "widgets/models/fuzzymatch.h"
#include "widgets/models/palettemodel.h"
#include "tests/support/patience.h"
#include "widgets/panels/commandpalette.h"
#include "widgets/panels/shortcuteditor.h"

#include <QAbstractItemModelTester>
#include <QDialogButtonBox>
#include <QKeySequenceEdit>
#include <QLabel>
#include <QLineEdit>
#include <QListView>
#include <QPushButton>
#include <QSignalSpy>
#include <QTest>

using namespace ql;

namespace {

struct Fixture {
    QWidget window;
    QLineEdit other{&window};
    QAction open{"&Open file…"}, save{"&Save policy"}, undo{"&Undo"}, preset{"Q4_K_M\t2 MB"};
    CommandPalette palette{&window};
    QLineEdit* line = palette.findChild<QLineEdit*>();
    QListView* list = palette.findChild<QListView*>();

    Fixture()
    {
        save.setShortcut(QKeySequence("Ctrl+S"));
        undo.setEnabled(false);
        preset.setProperty(CommandPalette::kTextProperty, "Preset Q4_K_M");
        palette.setActions({&open, &save, &undo, &preset});
        palette.setTensors({"model.layers.0.self_attn.v_proj.weight", "model.layers.12.self_attn.v_proj.weight"});
        palette.setRules({"role v_proj: int8"});
        palette.setHelpTopics({"Clipping"});
        window.resize(800, 500);
        window.show();
        if (!QTest::qWaitForWindowActive(&window))
            qWarning("the window was not activated");
        other.setFocus();
        palette.popup();
    }
    QStringList texts() const
    {
        QStringList all;
        for (int row = 0; row < list->model()->rowCount(); ++row)
            all << list->model()->index(row, 0).data().toString();
        return all;
    }
};

} // namespace

class TestPalette : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void betterMatchesScoreHigher_data()
    {
        QTest::addColumn<QString>("query");
        QTest::addColumn<QString>("better");
        QTest::addColumn<QString>("worse");
        QTest::newRow("a piece beats letters") << "save" << "Save policy" << "Show all values everywhere";
        QTest::newRow("a word start beats the middle") << "proj" << "mlp proj" << "unprojected";
        QTest::newRow("short beats long") << "open" << "Open" << "Open the bundled model with outliers";
        QTest::newRow("exact block number") << "12" << "layers.12" << "layers.112";
        QTest::newRow("initials") << "cab" << "Compare A B" << "xcxaxxb";
    }
    void betterMatchesScoreHigher()
    {
        QFETCH(QString, query);
        QFETCH(QString, better);
        QFETCH(QString, worse);
        const auto first = fuzzyMatch(query, better);
        const auto second = fuzzyMatch(query, worse);
        QVERIFY(first);
        QVERIFY(!second || first->score > second->score);
    }

    void matchesNameTheirLetters()
    {
        const auto match = fuzzyMatch(u"v 1", u"layers.1.v_proj");
        QVERIFY(match);
        QCOMPARE(match->positions, QList<int>({7, 9}));
        QVERIFY(!fuzzyMatch(u"xyz", u"layers.1.v_proj"));
        QVERIFY(!fuzzyMatch(u"vl", u"lv"));
        QCOMPARE(fuzzyMatch(u"", u"anything")->score, 0);
    }

    void theModelKeepsItsContract()
    {
        PaletteModel model;
        QAbstractItemModelTester tester(&model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        model.setEntries({{PaletteModel::Kind::Action, 0, "Undo", "Ctrl+Z", false},
                          {PaletteModel::Kind::Tensor, 7, "undone.weight", {}, true}});
        model.setQuery("und");
        QCOMPARE(model.rowCount(), 2);
        QCOMPARE(model.index(0).data(PaletteModel::IdRole).toInt(), 7); // what can be done now comes first
        QVERIFY(!(model.flags(model.index(1)) & Qt::ItemIsEnabled));
        model.setQuery("nothing");
        QCOMPARE(model.rowCount(), 0);
    }

    void enterTriggersTheActionAndGivesFocusBack()
    {
        Fixture f;
        QSignalSpy saved(&f.save, &QAction::triggered);
        QVERIFY(f.line->hasFocus());
        QTest::keyClicks(f.line, "save");
        QCOMPARE(f.texts(), QStringList({"Save policy"}));
        QTest::keyClick(f.line, Qt::Key_Return);
        QCOMPARE(saved.size(), 1);
        QVERIFY(f.palette.isHidden());
        QVERIFY(f.other.hasFocus());
    }

    void arrowsSkipWhatCannotBeDone()
    {
        Fixture f;
        QCOMPARE(f.list->currentIndex().data().toString(), QString("Open file…"));
        QTest::keyClick(f.line, Qt::Key_Down);
        QCOMPARE(f.list->currentIndex().data().toString(), QString("Save policy"));
        QTest::keyClick(f.line, Qt::Key_Down);
        QCOMPARE(f.list->currentIndex().data().toString(), QString("Preset Q4_K_M"));
        for (int i = 0; i < 3; ++i)
            QTest::keyClick(f.line, Qt::Key_Up);
        QVERIFY(f.list->currentIndex().data().toString().contains("layers.12")); // round the end
        QVERIFY(f.list->currentIndex().flags() & Qt::ItemIsEnabled);
    }

    void tensorsRulesAndHelpAreChosenByIndex()
    {
        Fixture f;
        QSignalSpy tensors(&f.palette, &CommandPalette::tensorChosen);
        QSignalSpy rules(&f.palette, &CommandPalette::ruleChosen);
        QSignalSpy topics(&f.palette, &CommandPalette::helpTopicChosen);
        QTest::keyClicks(f.line, "12 v_proj");
        QTest::keyClick(f.line, Qt::Key_Return);
        QCOMPARE(tensors.size(), 1);
        QCOMPARE(tensors[0][0].toInt(), 1);
        f.palette.popup();
        QCOMPARE(f.line->text(), QString());
        QTest::keyClicks(f.line, "role");
        QTest::mouseClick(f.list->viewport(), Qt::LeftButton, {}, f.list->visualRect(f.list->model()->index(0, 0)).center());
        QCOMPARE(rules.size(), 1);
        f.palette.popup();
        QTest::keyClicks(f.line, "clipping");
        QTest::keyClick(f.line, Qt::Key_Return);
        QCOMPARE(topics.size(), 1);
    }

    void escapeClosesAndNothingHappens()
    {
        Fixture f;
        QSignalSpy opened(&f.open, &QAction::triggered);
        QTest::keyClick(f.line, Qt::Key_Escape);
        QVERIFY(f.palette.isHidden());
        QCOMPARE(opened.size(), 0);
        QVERIFY(f.other.hasFocus());
    }

    void hundredThousandTensorsAreFoundQuickly()
    {
        Fixture f;
        QStringList names;
        for (int i = 0; i < 100000; ++i)
            names << QString("model.layers.%1.mlp.experts.%2.down_proj.weight").arg(i / 256).arg(i % 256);
        f.palette.setTensors(names);
        f.palette.popup();
        f.line->setText("layers.300 experts.17.");
        QCOMPARE(f.list->currentIndex().data().toString(), QString("model.layers.300.mlp.experts.17.down_proj.weight"));
        QVERIFY(f.texts().size() <= 200);
    }

    void shortcutsAreTypedAndConflictsNamed()
    {
        QAction open("&Open"), save("&Save");
        open.setObjectName("open");
        save.setObjectName("save");
        open.setShortcut(QKeySequence("Ctrl+O"));
        save.setShortcut(QKeySequence("Ctrl+S"));
        ShortcutEditor editor({&open, &save});
        editor.show();
        auto* keys = editor.findChild<QKeySequenceEdit*>();
        auto* ok = editor.findChild<QDialogButtonBox*>()->button(QDialogButtonBox::Ok);
        keys->setFocus();
        QTest::keyClick(keys, Qt::Key_S, Qt::ControlModifier);
        QL_TRY_VERIFY(!ok->isEnabled()); // a shortcut may have four keys: the field waits a second for more
        const auto labels = editor.findChildren<QLabel*>();
        QVERIFY(std::any_of(labels.begin(), labels.end(), [](const QLabel* label) { return label->text().contains("Open and Save"); }));
        keys->setKeySequence(QKeySequence("Ctrl+P"));
        QVERIFY(ok->isEnabled());
        QCOMPARE(open.shortcut(), QKeySequence("Ctrl+O")); // nothing happens before OK
        QTest::mouseClick(ok, Qt::LeftButton);
        QCOMPARE(open.shortcut(), QKeySequence("Ctrl+P"));
        QCOMPARE(editor.changedShortcuts().keys(), QStringList({"open"}));
    }
};

QTEST_MAIN(TestPalette)
#include "tst_palette.moc"
